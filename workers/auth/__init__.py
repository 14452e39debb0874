"""The auth service: users, sessions, tokens, signing keys and the audit log."""
