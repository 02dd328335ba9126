"""Tickets: one system's way in each file, one action in each other."""
