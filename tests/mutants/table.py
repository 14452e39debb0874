"""All mutants. Each breaks one promise, as a person might who does not know why the line is there."""

from dataclasses import replace

from tests.faults.checker import Promise
from tests.mutants.mutant import Edit, Mutant, Suite
from tests.simulation.plan import THEMES

SEEDS = "400"  # each is found in far fewer


def _simulation(theme: str) -> Suite:
    return Suite(
        f"simulation, {theme}", ("-m", "tests.simulation", "--seeds", SEEDS, "--theme", theme), 900.0
    )  # fmt: skip


def _faults(file: str, scenario: str) -> Suite:
    words = ("-m", "pytest", "-q", "-m", "", f"tests/faults/{file}.py", "-k", scenario)
    return Suite(f"faults, {file}, {scenario}", words, 900.0)


def _tests(file: str) -> Suite:
    return Suite(file, ("-m", "pytest", "-q", f"tests/integration/{file}.py"), 600.0)


ANYTHING, CACHE, SLOW, CRASHES, SESSIONS, LADDER, GROUPS = map(_simulation, THEMES)
VERSIONS = _tests("workers/diagram/test_versions")
STATEMENTS = _tests("workers/diagram/test_postgres_double")
LEDGER = "chassis/unit_of_work.py"
DECISIONS = "chassis/bus/decisions.py"
EXECUTOR = "chassis/bus/executor.py"
PARKING = "chassis/bus/parking.py"
MEMBER = "chassis/cache/member.py"
SCRIPTS = "chassis/cache/scripts"
OUTBOX = "chassis/outbox.py"
SIGN_OUT = "workers/auth/sessions/handlers.py"
ENDING = "workers/auth/sessions/ending.py"

_SIMULATED: tuple[Mutant, ...] = (
    # What is told is not so yet, or not for good
    Mutant(
        "there is no inbox",
        ANYTHING,
        (Promise.DOUBLED, Promise.APPLIED_ONCE),
        [
            Edit(
                LEDGER,
                "return bool(await work.connection.fetchval(_CLAIM, *_identity(work.envelope, consumer)))",
                "await work.connection.fetchval(_CLAIM, *_identity(work.envelope, consumer))\n    return True",
            )
        ],
        is_quick=True,
    ),
    Mutant(
        "acknowledged before it is carried out",
        CRASHES,
        (Promise.LOST, Promise.APPLIED_ONCE),
        [
            Edit(
                "chassis/bus/settling.py",
                "    try:\n        await deliver(",
                "    await receipt.acknowledge()\n    try:\n        await deliver(",
            )
        ],
    ),
    Mutant(
        "replied before the commit",
        ANYTHING,
        Promise.LOST,
        [
            Edit(
                LEDGER,
                "is_new = await self._group_commit.fetchval(",
                "is_new = _soon(self._group_commit.fetchval)(",
            ),
            Edit(
                LEDGER,
                "async def _claim(",
                "def _soon(ask):\n"
                "    return lambda *words: bool(__import__('asyncio').ensure_future(ask(*words)))\n\n\n"
                "async def _claim(",
            ),
        ],
    ),
    Mutant(
        "a group that timed out is taken for a success",
        GROUPS,
        Promise.LOST,
        [
            Edit(
                "chassis/group_commit.py",
                "one statement waits for a lock\n                    return False",
                "one statement waits for a lock\n                    rows = [(True,) for _ in batch]",
            )
        ],
        is_quick=True,
    ),
    # The ladder and the parking lot
    Mutant(
        "the copy for the ladder is not confirmed",
        LADDER,
        Promise.LOST,
        [
            Edit(
                EXECUTOR,
                "await self._publisher.publish(\n            OutgoingMessage(\n"
                '                exchange="autograph.retry"',
                'await self._publisher.send(\n            OutgoingMessage(\n                exchange="autograph.retry"',
            )
        ],
    ),
    Mutant(
        "the copy for the parking lot is not confirmed",
        LADDER,
        Promise.LOST,
        [
            Edit(
                PARKING,
                "await self._publisher.publish(\n            OutgoingMessage(\n"
                '                exchange="autograph.refused" if',
                "await self._publisher.send(\n            OutgoingMessage(\n"
                '                exchange="autograph.refused" if',
            )
        ],
    ),
    Mutant(
        "attempts are not counted",
        LADDER,
        Promise.LEFT_OVER,
        [Edit(DECISIONS, "Retry(rung, attempt + 1)", "Retry(rung, attempt)")],
    ),
    Mutant(
        "what is parked is not on record",
        LADDER,
        Promise.LOST,
        [
            Edit(
                EXECUTOR,
                "            if not await self._inbox.record(received.envelope, outcome):\n"
                "                outcome = (await recorded_outcome(self._inbox, received)).outcome\n",
                "",
            )
        ],
    ),
    Mutant(
        "an outage spends attempts",
        ANYTHING,
        Promise.LEFT_OVER,
        [Edit("chassis/worker.py", "else classify(error)", "else Failure.BUG")],
    ),
    # Events
    Mutant(
        "nobody sweeps the outbox",
        ANYTHING,
        Promise.UNHEARD,
        [Edit(OUTBOX, "while await self.sweep_once(caches) == BATCH:", "while False:")],
    ),
    Mutant(
        "an event is not confirmed",
        ANYTHING,
        Promise.UNHEARD,
        [Edit(OUTBOX, "await self._publisher.publish(outgoing)", "await self._publisher.send(outgoing)")],
    ),
    Mutant(
        "an event that was not confirmed leaves the outbox",
        ANYTHING,
        Promise.UNHEARD,
        [Edit(OUTBOX, "strict=True) if sent", "strict=True)")],
    ),
    Mutant(
        "session_ended is never published",
        SESSIONS,
        Promise.UNHEARD,
        [
            Edit(
                ENDING,
                "        work.publish(\n            SessionEnded(",
                "        (lambda *_, **__: None)(\n            SessionEnded(",
            )
        ],
        is_quick=True,
    ),
    Mutant(
        "session_started is never published",
        SESSIONS,
        Promise.UNHEARD,
        [
            Edit(
                "workers/auth/sign_in/handlers.py",
                "    work.publish(\n        SessionStarted(",
                "    (lambda *_, **__: None)(\n        SessionStarted(",
            )
        ],
    ),
    # The cache
    Mutant(
        "caches are invalidated before the commit",
        SLOW,
        Promise.STALE,
        [
            Edit(
                LEDGER,
                "            await _finish(work, self._consumer)\n",
                "            await _finish(work, self._consumer)\n"
                "            await self._caches.invalidate(work.invalidated)\n",
            ),
            Edit(
                LEDGER,
                "            await self._caches.invalidate(work.invalidated)\n            if failpoints",
                "            if failpoints",
            ),
        ],
    ),
    Mutant(
        "an outcome from the inbox is told without invalidation",
        CRASHES,
        Promise.STALE,
        [
            Edit(
                LEDGER,
                "        if row.invalidates:\n            await self._caches.invalidate(row.invalidates)\n",
                "",
            )
        ],
    ),
    Mutant(
        "a refusal is told without invalidation",
        CACHE,
        Promise.STALE,
        [
            Edit(
                LEDGER,
                "            if invalidated:\n                await self._caches.invalidate(invalidated)\n"
                "            raise",
                "            raise",
            )
        ],
    ),
    Mutant(
        "a fill counts whatever was invalidated since its read",
        CACHE,
        Promise.STALE,
        [
            Edit(
                f"{SCRIPTS}/fill.lua",
                "if redis.call('GET', 'g:' .. epoch .. ':' .. name) ~= generation then return 0 end\n",
                "",
            )
        ],
    ),
    Mutant(
        "an invalidation leaves the generation",
        CACHE,
        Promise.STALE,
        [Edit(f"{SCRIPTS}/invalidate.lua", ", 'g:' .. epoch .. ':' .. name)", ")")],
    ),
    Mutant(
        "lapsed leases are read",
        CACHE,
        Promise.STALE,
        [Edit(f"{SCRIPTS}/leases.lua", "      leased[owner] = false\n", "      leased[owner] = true\n")],
    ),
    Mutant(
        "told before the lease is over",
        CACHE,
        Promise.STALE,
        [Edit(MEMBER, "            while not await self._readers_blocked():", "            while False:")],
        is_quick=True,
    ),
    Mutant(
        "a lapsed lease is renewed",
        CACHE,
        Promise.STALE,
        [Edit(f"{SCRIPTS}/renew.lua", "if lease <= now or redis", "if redis")],
    ),
    Mutant(
        "a member that joins leaves the epoch",
        CACHE,
        Promise.STALE,
        [
            Edit(
                f"{SCRIPTS}/join.lua",
                "redis.call('SET', 'cache:epoch', ARGV[4])",
                "if redis.call('EXISTS', 'cache:epoch') == 0 then redis.call('SET', 'cache:epoch', ARGV[4]) end",
            )
        ],
    ),
    Mutant(
        "a member is removed and the epoch stays",
        CACHE,
        Promise.STALE,
        [Edit(f"{SCRIPTS}/remove.lua", "redis.call('SET', 'cache:epoch', ARGV[3])\n", "")],
    ),
    Mutant(
        "a dead member is removed from Redis before the record",
        CACHE,
        Promise.STALE,
        [
            Edit(
                MEMBER,
                """                await self._record.remove(dead_member)
                (removed,) = await self._redis.run(REMOVE(field, lease_end, _random()))
""",
                """                (removed,) = await self._redis.run(REMOVE(field, lease_end, _random()))
                await self._record.remove(dead_member)
""",
            )
        ],
    ),
    Mutant(
        "members that Redis has lost are not put back",
        CACHE,
        Promise.STALE,
        [
            Edit(
                f"{SCRIPTS}/join.lua",
                "for i = 5, #ARGV do redis.call('HSETNX', 'cache:members', ARGV[i], string.format('%.0f', now)) end\n",
                "",
            ),
            Edit(
                f"{SCRIPTS}/reconcile.lua",
                "for i = 4, #ARGV do redis.call('HSETNX', 'cache:members', ARGV[i], string.format('%.0f', now)) end\n",
                "",
            ),
        ],
    ),
    # Diagrams and sessions
    Mutant(
        "a stale If-Match is let through",
        ANYTHING,
        Promise.OVERWRITTEN,
        [
            Edit(
                "workers/diagram/diagrams/rules.py",
                '    if command.expected_revision not in (None, "*", found.revision) and',
                "    if False and",
            )
        ],
    ),
    Mutant(
        "content is cut short",
        ANYTHING,
        Promise.CONTENT,
        [
            Edit(
                "workers/diagram/diagrams/handlers.py",
                "        note=command.note_content,\n        label",
                "        note=(command.note_content or '')[:3],\n        label",
            )
        ],
    ),
    Mutant(
        "a sign-out leaves the session cached",
        SESSIONS,
        Promise.STALE,
        [
            Edit(
                SIGN_OUT,
                "        work.invalidate(SESSION_CACHE.of(session_id))  # whoever",
                "        # whoever",
            ),
            Edit(ENDING, "        work.invalidate(SESSION_CACHE.of(session_id))\n\n", "\n"),
        ],
    ),
    Mutant(
        "logout-all invalidates only what it has ended itself",
        SESSIONS,
        Promise.STALE,
        [Edit(ENDING, "    await invalidate_ended(work, tools, user_id)\n    return ended", "    return ended")],
    ),
)

_BY_NAME = {mutant.name: mutant for mutant in _SIMULATED}


def _on_real_servers(name: str, suite: Suite, shows: str | None = None) -> Mutant:
    """The same bug: a real run must notice it as well."""
    mutant = _BY_NAME[name]
    return replace(
        mutant, name=f"{name}, on real servers", suite=suite, shows=shows or mutant.shows, is_quick=False
    )  # fmt: skip


MUTANTS: tuple[Mutant, ...] = (
    *_SIMULATED,
    Mutant(
        "the edge takes any If-Match",
        _faults("test_stores", "forgot"),
        Promise.OVERWRITTEN,
        [Edit("gateway/preconditions.py", '    if header.strip() == "*":', "    if header:")],
    ),
    Mutant(
        "a refusal overwrites what has succeeded",
        STATEMENTS,
        "outcomes_that_give_way_and_those_that_stand",
        [
            Edit(
                LEDGER,
                "WHERE kept.status = 'failed' AND kept.fingerprint IS NOT DISTINCT FROM excluded.fingerprint",
                "WHERE kept.fingerprint IS NOT DISTINCT FROM excluded.fingerprint",
            )
        ],
    ),
    Mutant(
        "a diagram is changed without a lock",
        STATEMENTS,
        "a_row_that_somebody_has_locked",
        [
            Edit(
                "workers/diagram/diagrams/storage.py",
                "    FOR NO KEY UPDATE\n",
                "",
            )
        ],
    ),
    Mutant(
        "an open version takes another author's change",
        VERSIONS,
        "test_no_version_takes_the_change_of_another_author",
        [
            Edit(
                "workers/diagram/diagrams/storage.py",
                "                AND created_by = $13 AND created_by_producer IS NOT DISTINCT FROM $14\n",
                "",
            )
        ],
    ),
    Mutant(
        "a version never closes",
        VERSIONS,
        "test_a_version_closes_when_its_time_is_over",
        [
            Edit(
                "workers/diagram/diagrams/storage.py",
                "open_until > clock_timestamp()",
                "open_until IS NOT NULL",
            )
        ],
    ),
    Mutant(
        "a restore is not read back",
        VERSIONS,
        "test_what_reads_back_differently_is_not_restored",
        [
            Edit(
                "workers/diagram/versions/handlers.py",
                "            if written is None or written.digest != old:\n",
                "            if written is None:\n",
            )
        ],
    ),
    Mutant(
        "a restore overwrites what it is not based on",
        VERSIONS,
        "test_a_restore_says_what_it_is_based_on",
        [
            Edit(
                "workers/diagram/versions/handlers.py",
                "        check_revision(command, found)\n        source",
                "        source",
            )
        ],
    ),
    Mutant(
        "a tag outlives its entry",
        _tests("chassis/test_cache"),
        "test_the_tag_of_a_value_too_large_is_kept_until_it_is_invalidated",
        [
            Edit(
                f"{SCRIPTS}/fill.lua",
                "if tag ~= '' then redis.call('HSET', key, variant .. ':tag', tag) end",
                "if tag ~= '' then redis.call('HSET', 'c:' .. epoch .. ':tags', name .. variant .. ':tag', tag) end",
            ),
            Edit(
                f"{SCRIPTS}/read.lua",
                "redis.call('HGET', entry, variant .. ':tag')",
                "redis.call('HGET', 'c:' .. epoch .. ':tags', name .. variant .. ':tag')",
            ),
        ],
    ),
    _on_real_servers("lapsed leases are read", _tests("chassis/test_cache_under_faults"), "and then read as"),
    _on_real_servers("session_ended is never published", _faults("test_kills", "after_commit")),
    # What an event's subscriber does twice its own unique ids refuse, and then it is parked.
    _on_real_servers("there is no inbox", _faults("test_kills", "after_commit"), Promise.LEFT_OVER),
    _on_real_servers("told before the lease is over", _faults("test_stores", "cut_off and diagram-silent")),
    _on_real_servers(
        "logout-all invalidates only what it has ended itself", _faults("test_stores", "cut_off and auth-refused")
    ),
)
