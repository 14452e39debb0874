"""The installation that a command works on: servers named by the environment, or the local stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autograph.settings import OperatorSettings, operator_settings
from compose.local.home import Home, OperatorError
from compose.local.provision import EXTERNAL_SERVER_VARIABLES
from compose.local.stack import Servers, addresses
from contracts.services import SERVICES


@dataclass(frozen=True, slots=True)
class Installation:
    servers: Servers
    secret: str  # AUTOGRAPH_INSTALLATION_SECRET
    # AUTOGRAPH_<SERVICE>_SECRET by service; without those that are neither set nor known from a local stack.
    own_secrets: Mapping[str, str] = field(default_factory=dict)
    s3_region: str = "us-east-1"
    optional_secrets: Mapping[str, str] = field(default_factory=dict)  # by setting, those that are set


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

    named = settings.installation_secret
    own = {one.name: secret(one.name, settings.own_secret(one)) for one in SERVICES if one.own_secret}
    return Installation(
        servers=addresses(home, settings.external_servers()),
        secret=secret("installation", named.get_secret_value() if named else None),
        own_secrets={name: value for name, value in own.items() if value},
        s3_region=settings.s3_region,
        optional_secrets=settings.optional_secrets(),
    )
