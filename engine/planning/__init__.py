"""Turns a runbook and an inventory into a plan by reading the real systems."""
