"""Runs a plan: schedule, attempt, retry, windows, guard. Never names an action or a transport."""
