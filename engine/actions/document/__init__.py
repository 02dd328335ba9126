"""Actions on: document."""
