"""The four servers: each module writes its configuration and returns its process specification."""
