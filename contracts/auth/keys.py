"""The auth service's public keys."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, StringConstraints

from contracts.message import Query, Reply

KeyId = Annotated[str, StringConstraints(max_length=64)]  # a JWK thumbprint (RFC 7638)


class PublicKey(Reply):
    """A public key of the auth service, raw 32 bytes in base64url without padding."""

    id: str
    purpose: Literal["signing", "sealing"]
    key: str
    active_from: AwareDatetime  # signing: tokens may use it from then on; sealing: seal to the newest active one


class PublicKeys(Reply):
    keys: tuple[PublicKey, ...]


class GetPublicKeys(Query[PublicKeys]):
    """The keys that tokens are signed with (current, next and those still in use) and that secrets are sealed to."""

    wire_name: ClassVar[str] = "autograph.auth.get_public_keys.v1"
    timeout: ClassVar[timedelta] = timedelta(seconds=5)


MESSAGES = (GetPublicKeys,)
