"""Actions on: ssh."""
