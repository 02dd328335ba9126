"""Stores of events: append, read, claim. They never interpret an event."""
