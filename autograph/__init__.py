"""The operator's command: bring the system up, migrate it, look into it."""
