"""All handlers of the auth service."""

from chassis.bus.handlers import Handlers
from chassis.outcomes import outcome_handlers
from workers.auth.accounts.handlers import handlers as accounts
from workers.auth.audit.handlers import handlers as audit
from workers.auth.keys.handlers import handlers as keys
from workers.auth.operator.handlers import handlers as operator
from workers.auth.sessions.handlers import handlers as sessions
from workers.auth.sign_in.handlers import handlers as sign_in
from workers.auth.tools import Tools

handlers: Handlers[Tools] = Handlers()
for feature in (accounts, sign_in, sessions, keys, operator, audit, outcome_handlers("auth")):
    handlers.include(feature)
