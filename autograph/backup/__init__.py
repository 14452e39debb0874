"""``autograph backup`` and ``restore``: the data at rest, whole, consistent, and checked by reading it back."""
