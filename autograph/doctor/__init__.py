"""``autograph doctor``: checks a running installation read-only, and suggests remedies."""
