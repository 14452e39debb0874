import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chassis import failpoints
from chassis.failpoints import Action, Failpoints, Injected, Rule, parse


def fired(folder: Path) -> list[str]:
    file = folder / "fired"
    return [line.split(" ")[0] for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def arm(folder: Path, *rules: str) -> None:
    written = folder / "armed.new"
    written.write_text("\n".join(rules), encoding="utf-8")
    written.replace(folder / "armed")


def test_a_process_that_nobody_armed_has_no_points() -> None:
    assert not failpoints.ARMED


def test_a_rule_says_where_what_and_how_often() -> None:
    assert parse("after_commit=kill:every=7,times=500\n\nbefore_ack@diagram.commands=sleep:seconds=0.5\n") == [
        Rule("after_commit", Action.KILL, every=7, times=500),
        Rule("before_ack", Action.SLEEP, of="diagram.commands", seconds=0.5),
    ]


@pytest.mark.parametrize("line", ["after_commit", "after_commit=die", "after_commit=kill:evry=7", "=kill"])
def test_a_misspelt_rule_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"not a|is not a valid"):
        parse(line)


async def test_a_rule_that_spares_suspects_does_not_fire_for_what_is_handled_alone(tmp_path: Path) -> None:
    points = Failpoints(tmp_path)
    arm(tmp_path, "in_transaction=raise:sparing=1")

    async def alone() -> None:
        failpoints.SUSPECT.set(True)
        await points.reached("in_transaction")

    await asyncio.create_task(alone())
    with pytest.raises(Injected):
        await points.reached("in_transaction")
    assert fired(tmp_path) == ["in_transaction"]


async def test_a_point_does_nothing_unless_a_rule_names_it(tmp_path: Path) -> None:
    points = Failpoints(tmp_path)
    await points.reached("after_commit")
    arm(tmp_path, "after_commit@diagram.commands=raise")
    await points.reached("after_commit", "auth.commands")
    await points.reached("before_ack", "diagram.commands")
    assert fired(tmp_path) == []


async def test_a_point_fires_every_so_many_times_it_is_reached_and_each_firing_is_written_down(tmp_path: Path) -> None:
    points = Failpoints(tmp_path)
    arm(tmp_path, "after_commit=raise:every=3")
    raised = 0
    for _ in range(7):
        try:
            await points.reached("after_commit")
        except Injected:
            raised += 1
    assert raised == 2
    assert fired(tmp_path) == ["after_commit"] * 2


async def test_processes_count_together_how_often_a_point_may_fire(tmp_path: Path) -> None:
    arm(tmp_path, "after_commit=raise:times=1")
    with pytest.raises(Injected):
        await Failpoints(tmp_path).reached("after_commit")
    await Failpoints(tmp_path).reached("after_commit")
    assert fired(tmp_path) == ["after_commit"]


async def test_rules_may_change_while_the_process_runs(tmp_path: Path) -> None:
    points = Failpoints(tmp_path)
    arm(tmp_path, "in_transaction=raise")
    with pytest.raises(Injected):
        await points.reached("in_transaction")
    arm(tmp_path, "before_ack=raise")
    await points.reached("in_transaction")
    (tmp_path / "armed").unlink()
    await points.reached("before_ack")
    assert fired(tmp_path) == ["in_transaction"]


async def test_sleeping_holds_up_one_task_and_blocking_all_of_them(tmp_path: Path) -> None:
    points = Failpoints(tmp_path)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    arm(tmp_path, "after_reply=block:seconds=0.05", "before_ack=sleep:seconds=0.05")
    begun = time.monotonic()
    await points.reached("after_reply")
    assert (turns, time.monotonic() - begun >= 0.05) == (0, True)
    await points.reached("before_ack")
    assert turns > 0
    turning.cancel()


def test_a_death_is_counted_too(tmp_path: Path) -> None:
    arm(tmp_path, "after_commit=kill")
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import asyncio; from chassis import failpoints as f; asyncio.run(f.reached('after_commit'))",
        ],
        env=os.environ | {failpoints.VARIABLE: str(tmp_path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert fired(tmp_path) == ["after_commit"]
