"""Actions on: tftp."""
