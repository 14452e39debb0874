"""A private certificate authority, and TLS in front of a server that speaks none."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

POSTGRES_ASKS_FOR_TLS = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")  # SSLRequest, before any TLS
READ_BYTES = 1 << 16
PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Authority:
    file: Path  # its certificate
    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def server(self, host: str) -> ssl.SSLContext:
        """With a certificate for *host*."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        made = _builder(host, key).issuer_name(self.certificate.subject).add_extension(names, critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        signed = made.add_extension(identifier, critical=False).sign(self.key, hashes.SHA256())
        file = self.folder / f"{host}.pem"
        file.write_bytes(_private(key) + signed.public_bytes(PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context


def make_authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("A private authority", key)
    builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A private authority")]))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    file = folder / "ca.crt"
    file.write_bytes(certificate.public_bytes(PEM))
    return Authority(file, folder, key, certificate)


def _builder(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@asynccontextmanager
async def tls_in_front_of(url: str, context: ssl.SSLContext, *, scheme: str) -> AsyncIterator[str]:
    """*url* as it is behind TLS: the same with *scheme*, at ``localhost`` and a free port."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    under_way: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(writer)
        try:
            if scheme == "postgresql":
                asked = await reader.readexactly(len(POSTGRES_ASKS_FOR_TLS))
                if asked != POSTGRES_ASKS_FOR_TLS:  # pg_hba.conf's hostssl: nothing is taken in plain text
                    return
                writer.write(b"S")
            await writer.start_tls(context)
            behind = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(reader, behind[1]))
                    group.create_task(_pump(behind[0], writer))
            finally:
                behind[1].close()
        except* (OSError, asyncio.IncompleteReadError):  # a client that does not trust us leaves
            pass
        finally:
            writer.close()
            under_way.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        user, at, _ = parts.netloc.rpartition("@")
        yield urlunsplit(parts._replace(scheme=scheme, netloc=f"{user}{at}localhost:{port}"))
    finally:
        server.close()
        for writer in tuple(under_way):
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.close()
