"""The installation that an operator's command is about: the servers named by the environment, or the local stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autograph.settings import OperatorSettings, operator_settings
from compose.local.home import CannotProvide, Home
from compose.local.stack import GIVEN_BY, Servers, addresses
from contracts.services import SERVICES


@dataclass(frozen=True, slots=True)
class Installation:
    servers: Servers
    secret: str  # AUTOGRAPH_INSTALLATION_SECRET
    # AUTOGRAPH_<SERVICE>_SECRET by service, of those that have one; not those that are neither set nor a local stack's.
    own_secrets: Mapping[str, str] = field(default_factory=dict)
    s3_region: str = "us-east-1"
    optional_secrets: Mapping[str, str] = field(default_factory=dict)  # by setting, those that are set


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

    named = settings.installation_secret
    own = {one.name: secret(one.name, settings.own_secret(one)) for one in SERVICES if one.own_secret}
    return Installation(
        servers=addresses(home, settings.given()),
        secret=secret("installation", named.get_secret_value() if named else None),
        own_secrets={name: value for name, value in own.items() if value},
        s3_region=settings.s3_region,
        optional_secrets=settings.optional_secrets(),
    )
