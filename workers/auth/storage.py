"""All SQL of the auth service, by feature. Table names have no schema: the role's search path sets it."""

from workers.auth.accounts.storage import AccountStorage
from workers.auth.audit.storage import AuditStorage
from workers.auth.sessions.storage import SessionStorage


class Storage(AccountStorage, SessionStorage, AuditStorage):
    """One method per statement."""
