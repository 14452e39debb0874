"""``autograph credentials``: writes each service's own credentials, without those of others or administrators."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import typer
from rich.console import Console

from autograph.credentials import own_secrets, service_environment
from autograph.installation import Installation, installation
from autograph.kubernetes import ACCOUNT, API, open_secrets
from chassis.settings import PREFIX
from compose.local.home import OperatorError
from compose.secret_files import OWNER_READS, write_atomically
from contracts.services import SERVICES, entry

OWNER_USES: Final = 0o700
UNFINISHED: Final = f".{PREFIX}"  # prefix of the temporary files of write_atomically

app: Final = typer.Typer(no_args_is_help=True, help="Write each service's own credentials.")


@app.command()
def kubernetes(
    prefix: Annotated[str, typer.Argument(help="Of the Secrets' names: PREFIX-gateway and so on.")],
    *,
    api: Annotated[str, typer.Option(help="Kubernetes' address.")] = API,
    account: Annotated[Path, typer.Option(help="The folder with token, namespace and ca.crt.")] = ACCOUNT,
) -> None:
    """Write Secret PREFIX-<service> with an entry for each variable, from inside the cluster. Safe to repeat."""
    found = installation()
    values = {f"{prefix}-{service.name}": service_credentials(found, service.name) for service in SERVICES}

    async def apply() -> None:
        async with open_secrets(api, account) as secrets:
            for name, entries in values.items():
                await secrets.apply(name, entries)

    try:
        asyncio.run(apply())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise OperatorError(f"Kubernetes at {api} does not answer: {str(error) or type(error).__name__}") from None
    Console().print(f"credentials: {', '.join(values)}")


@app.command()
def files(
    folder: Annotated[Path, typer.Argument(help="Gets a folder for each service, with a file for each variable.")],
) -> None:
    """Write FOLDER/<service>/<VARIABLE>, for AUTOGRAPH_*_FILE to name. Safe to repeat, also while they are read."""
    found = installation()
    for service in SERVICES:
        write_files(folder / service.name, service_credentials(found, service.name))
    Console().print(f"credentials: {', '.join(service.name for service in SERVICES)}")


def service_credentials(found: Installation, service: str) -> dict[str, str]:
    """*service*'s server URLs and its own secrets, as variables. Raises ``OperatorError`` if a secret is unknown."""
    secrets = own_secrets(found, service)
    variable = entry(service).secret_variable
    if entry(service).own_secret and variable not in secrets:
        raise OperatorError(f"{variable} is not set: without it the {service} service cannot start")
    return service_environment(found.servers, found.secret, service) | secrets


def write_files(folder: Path, values: Mapping[str, str]) -> None:
    """Writes each file atomically, readable for its owner only, and removes variables that are no longer written.

    Other files in the folder are not touched.
    """
    if not folder.is_dir():  # a mounted folder has its permissions already
        folder.mkdir(mode=OWNER_USES, parents=True)
    for name, value in values.items():
        write_atomically(folder / name, value, OWNER_READS)
    for left in folder.iterdir():
        if left.name.startswith((PREFIX, UNFINISHED)) and left.name not in values:
            left.unlink()
