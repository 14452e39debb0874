"""A command that runs in the test's own process leaves logging as it was."""

from tests.logging_state import logging_as_before

__all__ = ["logging_as_before"]
