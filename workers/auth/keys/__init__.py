"""The service's key pairs."""
