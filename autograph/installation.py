"""The installation that a command works on: servers named by the environment, or the local stack."""

from dataclasses import dataclass

from pydantic import SecretStr

from autograph.settings import OperatorSettings, operator_settings
from compose.local.home import Home, OperatorError
from compose.local.stack import EXTERNAL_SERVER_VARIABLES, Servers, addresses


@dataclass(frozen=True, slots=True)
class Installation:
    servers: Servers
    secret: str  # AUTOGRAPH_INSTALLATION_SECRET
    auth_secret: str  # this and the next: empty if neither set nor known from a local stack
    gateway_secret: str
    s3_region: str = "us-east-1"
    password_pepper: str = ""  # empty: the auth service derives it from its secret


def installation() -> Installation:
    """Raises ``OperatorError`` if neither the environment nor a local stack names the servers."""
    settings = operator_settings()
    external = settings.external_servers()
    home = Home(settings.home)
    all_are_external = all(name in external for names in EXTERNAL_SERVER_VARIABLES.values() for name in names)
    if not (all_are_external and settings.installation_secret) and not (home.folder / "ports.json").exists():
        raise OperatorError(
            f"There is no local stack in {home.folder} (`make up` makes one), and the AUTOGRAPH_*_URL variables do not "
            "name all servers with AUTOGRAPH_INSTALLATION_SECRET"
        )
    return installation_in(home.attach(), settings)


def installation_in(home: Home, settings: OperatorSettings) -> Installation:
    """Secrets that are not set come from the home, which generates them when they are first needed.

    Without a home (a container that only migrates, for example) the services' secrets are empty.
    """

    def secret(name: str, own: str | None) -> str:
        return own or (home.secret(name) if home.folder.exists() else "")

    return Installation(
        servers=addresses(home, settings.external_servers()),
        secret=secret("installation", _plain(settings.installation_secret)),
        auth_secret=secret("auth", _plain(settings.auth_secret)),
        gateway_secret=secret("gateway", _plain(settings.gateway_secret)),
        s3_region=settings.s3_region,
        password_pepper=_plain(settings.password_pepper) or "",
    )


def _plain(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key else None
