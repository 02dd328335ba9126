"""switchover: a declarative runbook engine for migrations."""

__version__ = "0.1.0"
