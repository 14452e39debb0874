"""``autograph``: the operator's command."""

import typer

from autograph.backup.command import backup, restore_command
from autograph.buckets import buckets
from autograph.doctor.command import doctor
from autograph.flags import flags
from autograph.generate import generate
from autograph.handout import app as credentials
from autograph.keys import app as keys
from autograph.migrate import migrate
from autograph.outbox import outbox
from autograph.parked import app as parked
from autograph.producer import app as producer
from autograph.queues import queues
from autograph.sessions import sessions
from autograph.status import status
from autograph.up import down, up
from autograph.users import app as users
from compose.local.home import CannotProvide

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Run and operate AutoGraph.")
app.command()(up)
app.command()(down)
app.command()(status)
app.command()(doctor)
app.command()(queues)
app.command()(outbox)
app.command()(sessions)
app.command()(buckets)
app.command()(flags)
app.command()(migrate)
app.command()(backup)
app.command("restore")(restore_command)
app.command()(generate)
app.add_typer(parked, name="parked")
app.add_typer(producer, name="producer")
app.add_typer(keys, name="keys")
app.add_typer(users, name="users")
app.add_typer(credentials, name="credentials")


def main() -> None:
    try:
        app()
    except CannotProvide as sentence:
        raise SystemExit(str(sentence)) from None


if __name__ == "__main__":
    main()
