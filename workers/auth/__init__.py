"""Identity: users, their sessions and tokens, the keys that vouch for them, and the audit log."""
