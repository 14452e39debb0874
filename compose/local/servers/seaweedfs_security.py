"""Protects SeaweedFS from other users of this machine: its ports, except S3's, need no authentication by default.

Its components run in one process and connect to each other over TCP. Their gRPC requires a certificate of an authority
that is generated at each start, the volume server's HTTP requires tokens with keys generated likewise; the HTTP of
master and filer, which S3 does not need, is off (``-disableHttp``).
"""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

COMPONENTS: Final = ("master", "volume", "filer", "s3", "admin", "worker", "mq", "msg_broker", "msg_agent", "client")
TOKENS: Final = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
CERTIFICATE: Final = "certificate.pem"
KEY: Final = "key.pem"
GOOD_FOR: Final = timedelta(days=3650)  # of one run


def secure(folder: Path) -> None:
    """Writes ``security.toml``, which SeaweedFS reads from its working directory, and its keys."""
    certificate, key = _authority()
    _write(folder / CERTIFICATE, certificate)
    _write(folder / KEY, key)
    lines = [f'[{name}]\nkey = "{secrets.token_hex(24)}"\n' for name in TOKENS]
    lines += [f'[grpc]\nca = "{CERTIFICATE}"\n']
    lines += [f'[grpc.{name}]\ncert = "{CERTIFICATE}"\nkey = "{KEY}"\n' for name in COMPONENTS]
    _write(folder / "security.toml", "\n".join(lines).encode("ascii"))


def _authority() -> tuple[bytes, bytes]:
    """A self-signed certificate for servers and clients; host names are not checked."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "AutoGraph's object store")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + GOOD_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)
