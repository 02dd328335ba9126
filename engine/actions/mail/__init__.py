"""Actions on: mail."""
