"""Actions on: phone."""
