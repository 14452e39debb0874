"""Revisions are numbered, so that a service can ask for "at least 0002" (see chassis.database)."""
