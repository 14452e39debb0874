"""``autograph backup`` and ``restore``: consistent copies of all data, verified by reading them back."""
