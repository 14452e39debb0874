"""Everything that the services know of each other: messages, envelope, refusals, outcomes."""
