"""Actions on: number."""
