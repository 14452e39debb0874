"""The one installation that all tests of the session's servers belong to: roles are a whole server's."""

from typing import Final

INSTALLATION_SECRET: Final = "test-installation-secret-0123456789abcdef"
