"""Accounts and their passwords' rules."""
