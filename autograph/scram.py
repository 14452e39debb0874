"""SCRAM-SHA-256 verifiers, as PostgreSQL keeps them (RFC 5803)."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

ITERATIONS: Final = 4096  # PostgreSQL's default (scram_iterations); the passwords are random, so more would not help


def scram_verifier(password: str) -> str:
    """*password* must be ASCII, so that it needs no normalisation (SASLprep)."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
