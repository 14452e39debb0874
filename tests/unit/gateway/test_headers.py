"""What clients write into headers, and what we make of it."""

import time
from uuid import UUID

import pytest

from contracts.envelope import Actor, ActorKind
from gateway.compression import accepts_gzip
from gateway.idempotency import Signer, message_id, read_key
from gateway.preconditions import known_tag, read_if_match
from gateway.prefer import Preference, read_prefer
from gateway.problems import HttpProblem

ANNA = Actor(kind=ActorKind.USER, id=UUID(int=1))
SIGNER = Signer("a secret of this test, long enough")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Preference()),
        (["respond-async"], Preference(respond_async=True)),
        (["Respond-Async, wait=10"], Preference(respond_async=True, wait_seconds=10)),
        (["wait=5", "wait=9"], Preference(wait_seconds=5)),
        (['wait = "7" ; x=1'], Preference(wait_seconds=7)),
        (["return=minimal, wait=0"], Preference(wait_seconds=0)),
        (["wait=-1, wait=soon, wait=٣, respond-async=no"], Preference()),
        (["wait=99999999999"], Preference()),
    ],
)
def test_preferences_that_are_not_understood_are_left_out(headers: list[str], expected: Preference) -> None:
    assert read_prefer(headers) == expected


@pytest.mark.parametrize(
    ("header", "key"), [("k", "k"), ('"k"', "k"), (" k ", "k"), ("k" * 255, "k" * 255), ("a:b/c", "a:b/c")]
)
def test_a_key_is_quoted_or_bare(header: str, key: str) -> None:
    assert read_key(header) == key


@pytest.mark.parametrize("header", ["", '""', '"', "a b", "k" * 256, "ä", 'a"b', "a\x7f"])
def test_what_is_no_key_is_refused(header: str) -> None:
    with pytest.raises(HttpProblem) as refused:
        read_key(header)
    assert refused.value.status == 400


def test_a_key_makes_one_message_for_each_caller_and_place() -> None:
    first = message_id(ANNA, "POST", "/a", "k")
    assert first == message_id(ANNA, "POST", "/a", "k")
    assert first.version == 8
    assert first.variant == "specified in RFC 4122"
    others = {
        message_id(Actor(kind=ActorKind.USER, id=UUID(int=2)), "POST", "/a", "k"),
        message_id(Actor(kind=ActorKind.PRODUCER, id=UUID(int=1)), "POST", "/a", "k"),
        message_id(ANNA, "PATCH", "/a", "k"),
        message_id(ANNA, "POST", "/b", "k"),
        message_id(ANNA, "POST", "/a", "l"),
    }
    assert len(others | {first}) == 6


def test_a_caller_s_session_and_rights_are_no_part_of_his_identity() -> None:
    """After a new sign-in a retry is still the same message."""
    again = ANNA.model_copy(update={"session_id": UUID(int=9), "roles": ("admin",)})
    assert message_id(ANNA, "POST", "/a", "k") == message_id(again, "POST", "/a", "k")


def test_fingerprints_differ_wherever_requests_do() -> None:
    prints = {
        SIGNER.fingerprint(*request)
        for request in (
            ("POST", "/a", "", b"x"), ("PATCH", "/a", "", b"x"), ("POST", "/a?y", "", b"x"), ("POST", "/a", "1", b"x"),
            ("POST", "/a", "", b"y"), ("POST", "/a", "", b""),
        )
    }  # fmt: skip
    assert len(prints) == 6
    assert Signer("another secret, as long as the first").fingerprint("POST", "/a", "", b"x") not in prints


def test_who_is_not_signed_in_is_told_apart_by_address_without_it() -> None:
    first, second = SIGNER.anonymous_id("192.0.2.1"), SIGNER.anonymous_id("192.0.2.2")
    assert first != second
    assert first == SIGNER.anonymous_id("192.0.2.1")
    assert first.version == 8


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, None), ("", None), ('"1"', '"1"'), (' W/"1" , "2"', '"1"'), ('"2"', None), ("1", None),
        ("*", '"1-gzip"'),
        ('"1-gzip"', '"1-gzip"'), ('W/"1-gzip"', '"1-gzip"'), ('"0", "1-br"', '"1-br"'), ('"1-poem"', None),
        (',, "1" ,', '"1"'), ('"a,b", "1"', '"1"'), ('"1" "2"', None), ('"1', None), ('"01"', None),
    ],
)  # fmt: skip
def test_if_none_match_compares_weakly_and_knows_each_coding(header: str | None, known: str | None) -> None:
    assert known_tag(header, '"1-gzip"') == known


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None), (" * ", "*"), ('"3"', (3,)), ('W/"3"', (3,)), ('"3-gzip"', (3,)), ('W/"3-zstd"', (3,)),
        ('"3--gzip"', (3,)), ('"3", W/"3", "3-br"', (3,)), ('"3", "7"', (7, 3)), ('"abc", "3"', (3, 0)),
        (',"3",,', (3,)), ('"a,b"', (0,)), ('"03"', (0,)), ('"\u0663"', (0,)), (f'"{10**30}"', (0,)),
        ('"3-poem"', (0,)),
        (", ".join(f'"{n}"' for n in range(100)), tuple(range(99, -1, -1))),
    ],
)  # fmt: skip
def test_if_match_takes_whatever_names_a_revision(header: str | None, expected: object) -> None:
    assert read_if_match(header) == expected


@pytest.mark.parametrize("header", ["", ",", "3", '"3', '"3" "4"', '*, "3"', 'w/"3"', '"\x7f"', '"1",' * 101])
def test_if_match_takes_nothing_but_a_list_of_tags(header: str) -> None:
    with pytest.raises(HttpProblem) as refused:
        read_if_match(header)
    assert (refused.value.code, refused.value.status) == ("malformed_header", 400)


def test_a_long_header_of_tags_is_read_in_no_time() -> None:
    """No pattern looks back: each character is passed once."""
    for header in ("," * 50_000, '"' * 50_000, " ," * 25_000 + "x", '"a" ' * 12_000):
        with pytest.raises(HttpProblem):
            read_if_match(header)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (None, False), ("", False), ("gzip", True), ("GZIP, deflate, br", True), ("x-gzip", True), ("br", False),
        ("*", True), ("*;q=0", False), ("gzip;q=0", False), ("gzip;q=0, *", False), ("gzip; q=0.5", True),
        ("gzip;q=0.5, identity", False), ("identity;q=0.5, gzip", True), ("identity", False), ("gzip;q=abc", False),
        ("gzip;q=nan", False), ("gzip;q=1;x=y", True), (";;,,gzip", True),
    ],
)  # fmt: skip
def test_gzip_is_sent_to_whoever_wants_it(header: str | None, taken: bool) -> None:  # noqa: FBT001 - a table's column
    assert accepts_gzip(header) is taken


def test_blanks_in_a_list_of_tags_are_looked_through_once() -> None:
    """They were tried in every division between two elements: 8 KB took a second of the event loop."""
    began = time.process_time()
    with pytest.raises(HttpProblem):
        read_if_match('"1",' + " " * 100_000 + "x")
    assert known_tag('"1",' + " " * 100_000 + "x", '"1"') is None
    assert time.process_time() - began < 2
