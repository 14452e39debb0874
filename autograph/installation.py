"""The installation that an operator's command is about: the servers named by the environment, or the local stack."""

from dataclasses import dataclass

from autograph.settings import OperatorSettings
from chassis.settings import load
from compose.local.home import CannotProvide, Home
from compose.local.stack import Servers, addresses


@dataclass(frozen=True, slots=True)
class Installation:
    servers: Servers
    secret: str  # AUTOGRAPH_INSTALLATION_SECRET
    auth_secret: str
    s3_region: str = "us-east-1"


def installation() -> Installation:
    """Raises ``CannotProvide`` if neither the environment nor a local stack says where the servers are."""
    settings = load(OperatorSettings)
    given = settings.given()
    home = Home(settings.home)
    all_given = len(given) == 7 and settings.installation_secret is not None  # noqa: PLR2004 - three servers' and S3's
    if not all_given and not (home.folder / "ports.json").exists():
        raise CannotProvide(
            f"There is no local stack in {home.folder} (`make up` makes one), and the AUTOGRAPH_*_URL variables do not "
            "name all servers with AUTOGRAPH_INSTALLATION_SECRET"
        )
    home.attach()
    return Installation(
        servers=addresses(home, given),
        secret=settings.installation_secret.get_secret_value()
        if settings.installation_secret
        else home.secret("installation"),
        auth_secret=settings.auth_secret.get_secret_value() if settings.auth_secret else home.secret("auth"),
        s3_region=settings.s3_region,
    )
