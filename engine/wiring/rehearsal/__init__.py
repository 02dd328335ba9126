"""Runs against a private lab in virtual time: scenarios, and runs that are killed at every boundary."""
