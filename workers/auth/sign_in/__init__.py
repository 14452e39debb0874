"""Signing in, and refreshing tokens."""
