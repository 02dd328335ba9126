"""Sessions to other systems. They carry bytes; they never decide and never retry."""
