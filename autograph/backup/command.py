"""The commands ``autograph backup`` and ``autograph restore``."""

import asyncio
import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from autograph.backup.make import Source, make
from autograph.backup.manifest import Manifest
from autograph.backup.progress import bars
from autograph.backup.restore import Target, check_release, check_secrets, restore, secrets_of
from autograph.backup.rotation import name_at, remove_older
from autograph.backup.verify import verify
from autograph.installation import installation, installation_in
from autograph.settings import OperatorSettings, operator_settings
from compose.local.home import Home, OperatorError
from compose.local.run import start_servers
from contracts.services import SERVICES

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The backup's folder.")]
INCOMPLETE = 3  # exit status: the backup is valid, but some objects were missing when it was made


def backup(
    folder: Folder,
    *,
    verify_only: Annotated[
        bool, typer.Option("--verify", help="Verify an existing backup instead of making one.")
    ] = False,
    with_secrets: Annotated[
        bool, typer.Option("--secrets/--no-secrets", help="Include the secrets that its keys are encrypted with.")
    ] = True,
    keep: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="DIR is a folder of backups: add one that is named by the time, read it back, and keep the N newest.",
        ),
    ] = None,
) -> None:
    """Copy database, objects, waiting messages and broker users of a running installation into a new folder."""
    if verify_only and keep is not None:
        raise typer.BadParameter("--verify makes no backup, so there is nothing to keep", param_hint="--keep")
    settings = operator_settings()
    now = datetime.now(UTC)
    target = folder if keep is None else folder / name_at(now)
    with bars(Console(stderr=True)) as progress:
        if verify_only:
            manifest = verify(target, progress)
        else:
            source = _source(settings)
            manifest = asyncio.run(make(source, target, progress, with_secrets=with_secrets))
            if keep is not None:
                verify(target, progress)
    _print_summary(target, manifest)
    if keep is not None:
        for removed in remove_older(folder, keep=keep, now=now):
            Console(soft_wrap=True, highlight=False).print(f"deleted: {removed}")
    if manifest.missing:
        raise typer.Exit(INCOMPLETE)


def _source(settings: OperatorSettings) -> Source:
    home = _home(settings)
    unset = sorted(s.secret_variable for s in SERVICES if s.own_secret and settings.own_secret(s) is None)
    if unset and not (home.folder / "ports.json").exists():
        # A home without a stack would generate new secrets.
        raise OperatorError(f"{' and '.join(unset)} must be set as the services have it")
    return Source(installation(), home.programs)


def restore_command(folder: Folder) -> None:
    """Restore a backup into an empty installation, and verify it there. The local stack must not be running."""
    settings = operator_settings(starts=True)
    asyncio.run(_restore(settings, folder))


async def _restore(settings: OperatorSettings, folder: Path) -> None:
    home = _home(settings)
    with bars(Console(stderr=True)) as progress:
        manifest = await asyncio.to_thread(verify, folder, progress)
        check_release(manifest)
        external = settings.external_servers()
        async with start_servers(home.open(), external, lambda _name, _state: None) as servers:
            await servers.all_ready()
            found = installation_in(home, settings)
            brought = secrets_of(folder, manifest)
            # Secrets in the settings have precedence; the home's own was generated for an empty installation.
            named = {s.name for s in SERVICES if s.own_secret and settings.own_secret(s) is not None}
            kept = {name: secret for name, secret in brought.items() if name not in named}
            found = dataclasses.replace(found, own_secrets={**found.own_secrets, **kept})
            check_secrets(manifest, found)

            def keep_secrets() -> None:
                for name, secret in kept.items():
                    home.save_secret(name, secret)

            await restore(Target(found, home.programs), folder, manifest, progress, keep_secrets=keep_secrets)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"restored: {_contents(manifest)}")
    console.print("Its users sign in as before: `autograph up` starts it.")


def _home(settings: OperatorSettings) -> Home:
    return Home(settings.home, programs=settings.programs)


def _print_summary(folder: Path, manifest: Manifest) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{folder}: as of {manifest.snapshot_at.isoformat(timespec='milliseconds')}, {_contents(manifest)}")
    console.print(f"secret, for the owner only: {', '.join(part.name for part in manifest.parts if part.secret)}")
    for lost in manifest.missing:
        console.print(f"lost before this backup: {lost.bucket}/{lost.key} ({lost.why})")


def _contents(manifest: Manifest) -> str:
    return (
        f"{sum(manifest.rows.values())} rows, {manifest.objects} objects ({manifest.objects_bytes} bytes), "
        f"{sum(manifest.messages.values())} waiting messages"
    )
