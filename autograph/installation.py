"""The installation that an operator's command is about: the servers named by the environment, or the local stack."""

from dataclasses import dataclass

from pydantic import SecretStr

from autograph.settings import OperatorSettings, operator_settings
from compose.local.home import CannotProvide, Home
from compose.local.provision import GIVEN_BY
from compose.local.stack import Servers, addresses


@dataclass(frozen=True, slots=True)
class Installation:
    servers: Servers
    secret: str  # AUTOGRAPH_INSTALLATION_SECRET
    auth_secret: str  # this and the next: empty where they are neither set nor a local stack's
    gateway_secret: str
    s3_region: str = "us-east-1"
    password_pepper: str = ""  # empty: the auth service derives it from its secret


def installation() -> Installation:
    """Raises ``CannotProvide`` if neither the environment nor a local stack says where the servers are."""
    settings = operator_settings()
    given = settings.given()
    home = Home(settings.home)
    servers_given = all(name in given for names in GIVEN_BY.values() for name in names)
    if not (servers_given and settings.installation_secret) and not (home.folder / "ports.json").exists():
        raise CannotProvide(
            f"There is no local stack in {home.folder} (`make up` makes one), and the AUTOGRAPH_*_URL variables do not "
            "name all servers with AUTOGRAPH_INSTALLATION_SECRET"
        )
    return installation_in(home.attach(), settings)


def installation_in(home: Home, settings: OperatorSettings) -> Installation:
    """Secrets that the user has not set are the home's, made when they are first needed.

    Without a home (a container that only migrates, say) those of services are not known here, and need not be.
    """

    def secret(name: str, own: str | None) -> str:
        return own or (home.secret(name) if home.folder.exists() else "")

    return Installation(
        servers=addresses(home, settings.given()),
        secret=secret("installation", _plain(settings.installation_secret)),
        auth_secret=secret("auth", _plain(settings.auth_secret)),
        gateway_secret=secret("gateway", _plain(settings.gateway_secret)),
        s3_region=settings.s3_region,
        password_pepper=_plain(settings.password_pepper) or "",
    )


def _plain(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key else None
