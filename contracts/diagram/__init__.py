"""Messages of the diagram service, by what they are about: commands, queries, replies, events and refusals."""

from contracts.diagram import diagrams, versions
from contracts.outcome import outcome_query

MESSAGES = (*diagrams.MESSAGES, *versions.MESSAGES, outcome_query("diagram"))
