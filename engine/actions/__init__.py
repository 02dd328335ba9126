"""Action plugins: one file per action, one folder per system."""
