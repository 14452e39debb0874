"""The database's history: one revision a step, each with its way back."""
