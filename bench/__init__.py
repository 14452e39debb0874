"""What the system costs, beside what its parts cost bare, in the same run."""
