"""Actions on nothing: what only proves."""
