"""Which diagrams a list gives, in which order, and page by page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.database import DirectConnection
from contracts.diagram.diagrams import (
    DiagramNotFound,
    DiagramPage,
    InvalidCursor,
    ListDiagrams,
    RestoreDiagram,
    TrashDiagram,
    ViewDiagram,
)
from contracts.diagram.versions import ListVersions, VersionPage
from contracts.refusal import Invalid
from tests.integration.workers.diagram.scene import Scene
from workers.diagram.lists import storage

SORTS = ["title", "created_at", "updated_at", "last_viewed_at", "size_bytes"]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_diagrams_made_meanwhile_double_and_hide_none(scene: Scene, sort: str, order: str) -> None:
    ids = [(await scene.create(title=title)).id for title in ("b", "d", "d", "f", "h", "h")]
    seen = []
    cursor = None
    while True:
        page = await scene.ask(ListDiagrams(sort=sort, order=order, limit=2, cursor=cursor))
        seen += [item.id for item in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        if len(seen) < 8:
            await scene.create(title="a" if len(seen) < 4 else "z")

    assert len(seen) == len(set(seen))
    assert set(ids) <= set(seen)


async def test_the_trash_is_a_list_of_its_own(scene: Scene) -> None:
    kept, trashed = await scene.create(), await scene.create()
    await scene.ask(TrashDiagram(id=trashed.id))

    assert [item.id for item in (await scene.ask(ListDiagrams())).items] == [kept.id]
    (item,) = (await scene.ask(ListDiagrams(view="trash"))).items
    assert item.id == trashed.id
    assert item.deleted_at is not None
    await scene.ask(RestoreDiagram(id=trashed.id))
    assert (await scene.ask(ListDiagrams(view="trash"))).items == ()


async def test_nobody_lists_anothers_diagrams(scene: Scene) -> None:
    await scene.create()

    assert await scene.ask(ListDiagrams(), by="bob") == DiagramPage(items=(), next_cursor=None, total=0)


async def test_a_diagram_that_was_opened_is_recent(scene: Scene, administrator: DirectConnection) -> None:
    opened, other = await scene.create(), await scene.create()
    old = datetime.now(UTC) - timedelta(days=31)
    await administrator.execute("UPDATE diagram.files SET updated_at = $1", old)
    for _ in range(3):  # within a minute
        await scene.ask(ViewDiagram(id=opened.id))

    (item,) = (await scene.ask(ListDiagrams(view="recent", sort="last_viewed_at"))).items
    assert (item.id, item.view_count, item.revision) == (opened.id, 1, opened.revision)
    assert item.last_viewed_at is not None
    assert scene.relay.actions() == ["diagram_created"] * 2
    await administrator.execute("UPDATE diagram.files SET last_viewed_at = last_viewed_at - interval '1 minute'")
    await scene.ask(ViewDiagram(id=opened.id))
    items = {item.id: item.view_count for item in (await scene.ask(ListDiagrams())).items}
    assert items == {opened.id: 2, other.id: 0}


async def test_nobody_opens_anothers_diagram(scene: Scene) -> None:
    created = await scene.create()

    with pytest.raises(DiagramNotFound):
        await scene.ask(ViewDiagram(id=created.id), by="bob")
    assert (await scene.ask(ListDiagrams())).items[0].view_count == 0


async def test_recent_is_what_was_changed_or_viewed_in_a_month(scene: Scene, administrator: DirectConnection) -> None:
    changed, viewed, forgotten = [await scene.create() for _ in range(3)]
    old, now = datetime.now(UTC) - timedelta(days=31), datetime.now(UTC)
    set_times = "UPDATE diagram.files SET updated_at = $2, last_viewed_at = $3 WHERE id = $1"
    await administrator.execute(set_times, viewed.id, old, now)
    await administrator.execute(set_times, forgotten.id, old, old)

    page = await scene.ask(ListDiagrams(view="recent"))

    assert [item.id for item in page.items] == [changed.id, viewed.id]


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({"type": "note"}, {"100% sure"}),
        ({"tag": "b"}, {"Alpha", "100% sure"}),
        ({"tag": "B"}, set()),
        ({"q": "ALPH"}, {"Alpha"}),
        ({"q": "100%"}, {"100% sure"}),
        ({"q": "_"}, {"a_b"}),
        ({"q": "\\"}, {"back\\slash"}),
        ({"q": ""}, {"Alpha", "100% sure", "a_b", "back\\slash"}),
        ({"created_from": datetime(2100, 1, 1, tzinfo=UTC)}, set()),
        ({"created_from": START, "created_to": datetime(2100, 1, 1, tzinfo=UTC), "q": "a_"}, {"a_b"}),
    ],
)
async def test_filters_narrow_a_list_and_its_total(scene: Scene, filters: dict[str, Any], titles: set[str]) -> None:
    await scene.create(title="Alpha", tags=("a", "b"))
    await scene.create(title="100% sure", type="note", tags=("b",))
    await scene.create(title="a_b")
    await scene.create(title="back\\slash")

    page = await scene.ask(ListDiagrams(**filters))

    assert {item.title for item in page.items} == titles
    assert page.total == len(titles)


async def test_a_cursor_is_good_for_its_own_list_only(scene: Scene) -> None:
    for _ in range(3):
        await scene.create()
    cursor = (await scene.ask(ListDiagrams(limit=1))).next_cursor

    assert len((await scene.ask(ListDiagrams(limit=2, cursor=cursor))).items) == 2
    for other in (
        ListDiagrams(cursor=cursor, sort="title"),
        ListDiagrams(cursor=cursor, order="asc"),
        ListDiagrams(cursor=cursor, q="x"),
        ListDiagrams(cursor=cursor, view="trash"),
    ):
        with pytest.raises(InvalidCursor):
            await scene.ask(other)


async def test_a_moment_outside_of_the_calendar_is_refused(scene: Scene) -> None:
    moment = datetime.max.replace(tzinfo=UTC).astimezone(UTC).isoformat().replace("+00:00", "-12:00")
    with pytest.raises(Invalid) as refusal:
        await scene.ask(ListDiagrams.model_validate({"created_to": moment}))

    assert refusal.value.errors[0].pointer == "/created_to"


async def test_versions_are_listed_newest_first_page_by_page(scene: Scene) -> None:
    created = await scene.create()
    for number in range(2, 8):
        await scene.change(created, note_content=str(number), version_label=f"v{number}", version_description="why")
    numbers, cursor = [], None
    while True:
        page = await scene.ask(ListVersions(id=created.id, limit=3, cursor=cursor))
        assert isinstance(page, VersionPage)
        assert page.total == 7
        numbers += [version.number for version in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert numbers == [7, 6, 5, 4, 3, 2, 1]
    newest = (await scene.ask(ListVersions(id=created.id, limit=1))).items[0]
    assert (newest.label, newest.description, newest.size_bytes) == ("v7", "why", 1)
    other = await scene.create()
    first = await scene.ask(ListVersions(id=created.id, limit=1))
    with pytest.raises(InvalidCursor):
        await scene.ask(ListVersions(id=other.id, cursor=first.next_cursor))


@pytest.mark.parametrize(
    ("q", "title"),
    [
        ("ärger", "ÄRGER im Büro"), ("BÜRO", "Ärger im Büro"), ("план", "ПЛАН дома"), ("ПЛАН", "план дома"),
        ("ΟΔΟΣ", "οδός και οδοσ"), ("οδοσ", "ΟΔΟΣΑ"), ("οδος", "ΟΔΟΣ"), ("strasse", "Hauptstraße"), ("É", "cafe\u0301"),
        ("cafe\u0301", "CAFÉ"), ("ISTA", "istanbul"), ("ISPARTA", "isparta"),
    ],
)  # fmt: skip
async def test_a_search_makes_nothing_of_upper_and_lower_case_in_any_script(scene: Scene, q: str, title: str) -> None:
    await scene.create(title=title)
    await scene.create(title="something else")

    page = await scene.ask(ListDiagrams(q=q))

    assert [item.title for item in page.items] == [title]
    assert page.total == 1


@pytest.mark.parametrize(
    ("q", "title"), [("ISPARTA", "\u0131sparta"), ("\u0131", "I"), ("cafe", "café"), ("\u0435", "ё")]
)
async def test_a_search_tells_letters_apart_that_differ_by_more_than_case(scene: Scene, q: str, title: str) -> None:
    """Turkish has two letters i, and which of them I belongs to, only the language says: here it is i."""
    await scene.create(title=title)

    assert (await scene.ask(ListDiagrams(q=q))).items == ()


async def test_titles_are_sorted_by_their_letters_whatever_their_case_and_accents(scene: Scene) -> None:
    ordered = ["Äpfel", "Birne", "çay", "École", "étage", "Zebra", "ΑΒΓ", "άγιος", "БЕГ", "ёж", "Жук"]
    for title in sorted(ordered):
        await scene.create(title=title)

    found, cursor = [], None
    while True:
        page = await scene.ask(ListDiagrams(sort="title", order="asc", limit=3, cursor=cursor))
        found += [item.title for item in page.items]
        if (cursor := page.next_cursor) is None:
            break

    assert found == ordered
    descending = await scene.ask(ListDiagrams(sort="title", order="desc"))
    assert [item.title for item in descending.items] == ordered[::-1]


async def test_lists_by_title_and_searches_have_their_indexes(scene: Scene, administrator: DirectConnection) -> None:
    owner = (await scene.create()).owner_id

    async def plan(statement: str, *values: object) -> str:
        async with administrator.transaction():
            await administrator.execute("SET LOCAL enable_seqscan = off; SET LOCAL search_path = diagram")
            await administrator.execute("SET LOCAL enable_sort = off; SET LOCAL enable_indexscan = on")
            return "\n".join(row[0] for row in await administrator.fetch(f"EXPLAIN {statement}", *values))

    listed = "SELECT id FROM files WHERE owner_id = $1 AND deleted_at IS NULL ORDER BY {} LIMIT 20"
    key = storage._SORTS["title"].key
    assert "files_owner_sort_key" in await plan(listed.format(f"{key}, id"), owner)
    searched = "SELECT id FROM files WHERE folded(title) LIKE folded('%straße%')"
    assert "files_folded_trigrams" in await plan(searched)
