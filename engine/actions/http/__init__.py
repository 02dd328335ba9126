"""Actions on: http."""
