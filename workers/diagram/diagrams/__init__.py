"""Diagrams: created, changed, trashed, restored, deleted and read."""
