"""Versions of diagrams."""
