"""Messages of the auth service, by what they are about: commands, queries, replies, events and refusals."""

from contracts.auth import accounts, keys, operator, sessions
from contracts.outcome import outcome_query

MESSAGES = (*accounts.MESSAGES, *sessions.MESSAGES, *keys.MESSAGES, *operator.MESSAGES, outcome_query("auth"))
