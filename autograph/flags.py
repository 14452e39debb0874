"""``autograph flags``: every feature flag, as the environment of this command sets it."""

from autograph.listing import AsJson, show
from chassis.flags import as_rows
from chassis.settings import FlagSettings, load


def flags(*, as_json: AsJson = False) -> None:
    """List the feature flags. A process that was started with others says so in its autograph_flag_enabled metric."""
    show(as_rows(load(FlagSettings).flags), as_json=as_json, nothing="There are no feature flags.")
