"""Old content in the object store."""
