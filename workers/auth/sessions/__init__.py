"""Sessions, and their end."""
