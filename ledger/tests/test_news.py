"""Many audits at once: how far they are, and what is new, in one read each."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event

from ledger import audits, events, waiting, workers
from ledger.events import Mark, Position
from ledger.tests.driver import TENANT, Driver, stage


def tell(drive: Driver, audit_id: str, *types: str) -> None:
    """Record events."""
    with drive.ledger.writing() as connection:
        for type in types:
            events.record(connection, TENANT, audit_id, type, {"is": type})


@pytest.fixture
def statements(drive: Driver) -> Iterator[list[str]]:
    """Every SELECT from here on."""
    seen: list[str] = []

    def note(*context: object) -> None:
        if "SELECT" in str(context[2]):
            seen.append(str(context[2]))

    event.listen(drive.ledger.engine, "before_cursor_execute", note)
    yield seen
    event.remove(drive.ledger.engine, "before_cursor_execute", note)


def test_marks_are_read_together(drive: Driver, statements: list[str]) -> None:
    """Two audits and a stranger's in one statement; what is not there is left out; asking twice is asking once."""
    first, second = drive.submit(), drive.submit()
    tell(drive, first, "a", "b")
    statements.clear()
    wanted = [(TENANT, first), (TENANT, second), (TENANT, first), ("other", first), (TENANT, "aud_unknown")]
    with drive.ledger.reading() as connection:
        found = events.marks(connection, wanted)
    assert found == {(TENANT, first): Mark("queued", 3, 3), (TENANT, second): Mark("queued", 1, 1)}
    assert len([statement for statement in statements if "audits" in statement]) == 1


def test_news_are_read_together(drive: Driver, statements: list[str]) -> None:
    """Each position gets what follows it, two of one audit each their own, in one statement."""
    first, second = drive.submit(), drive.submit()
    tell(drive, first, "a", "b")
    positions = [Position(TENANT, first, 1), Position(TENANT, second, 1), Position(TENANT, first, 2)]
    statements.clear()
    with drive.ledger.reading() as connection:
        found = events.news(connection, positions)
    assert [[told.type for told in found[position].events] for position in positions] == [["a", "b"], [], ["b"]]
    assert found[positions[0]].mark == Mark("queued", 3, 3)
    assert found[positions[0]].events[0].data == {"is": "a"}
    assert len([statement for statement in statements if "audits" in statement]) == 1


def test_an_audit_without_news_is_left_out(drive: Driver) -> None:
    """By its revision, which every event advances; so is one that is not there, or somebody else's."""
    audit_id = drive.submit()
    here = Position(TENANT, audit_id, 1, revision=1)
    strangers = [Position("other", audit_id, 0), Position(TENANT, "aud_unknown", 0)]
    with drive.ledger.reading() as connection:
        assert events.news(connection, [here, *strangers]) == {}
    tell(drive, audit_id, "a")
    with drive.ledger.reading() as connection:
        assert [told.seq for told in events.news(connection, [here])[here].events] == [2]


def test_a_revision_without_an_event_is_news(drive: Driver) -> None:
    """A renewed lease advances the revision alone."""
    audit_id = drive.submit()
    drive.claim(audit_id, "plan")
    with drive.ledger.reading() as connection:
        before = audits.get(connection, TENANT, audit_id)
    here = Position(TENANT, audit_id, before.revision, before.revision)
    with drive.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE audits SET revision = revision + 1")
    with drive.ledger.reading() as connection:
        news = events.news(connection, [here])[here]
    assert (news.mark.revision, news.events) == (before.revision + 1, [])


def test_a_page_has_an_end(drive: Driver) -> None:
    """Of five events two at a time, by their numbers; a number beyond the last brings none."""
    audit_id = drive.submit()
    tell(drive, audit_id, "a", "b", "c", "d")

    def numbers(seq: int) -> list[int]:
        here = Position(TENANT, audit_id, seq)
        with drive.ledger.reading() as connection:
            return [told.seq for told in events.news(connection, [here], most=2)[here].events]

    assert [numbers(seq) for seq in (0, 2, 4, 5, 2**30)] == [[1, 2], [3, 4], [5], [], []]


def test_a_page_can_be_of_labelled_audits(drive: Driver) -> None:
    """All labels are borne; a name twice with two values is borne by none; names with dots are names."""
    labelled = [
        drive.submit(labels=labels) for labels in ({"a.b": "1"}, {"a.b": "1", "c": 'd"e'}, {"a.b": "2"}, {"a": "1"}, {})
    ]

    def found(*labels: tuple[str, str]) -> list[int]:
        with drive.ledger.reading() as connection:
            page = audits.page(connection, TENANT, limit=10, labels=labels)
        return sorted(labelled.index(row.id) for row in page)

    assert found() == [0, 1, 2, 3, 4]
    assert found(("a.b", "1")) == [0, 1]
    assert found(("a.b", "1"), ("c", 'd"e')) == [1]
    assert found(("a.b", "1"), ("a.b", "2")) == []
    assert found(("c", "nobody's")) == []


def test_several_audits_are_told_as_each_alone(drive: Driver) -> None:
    """Queued, running and ended ones: their rows but for the request, and what they wait for, by id."""
    queued = [drive.submit() for _ in range(3)]
    running = drive.planned(stage("work", 2))
    idle = drive.planned(stage("work", 1))
    drive.claim(running, "work")
    every = [*queued, running, idle]
    with drive.ledger.writing() as connection:
        workers.seen(connection, TENANT, owner="w", engine="engine-1", families=["sd1"])
    with drive.ledger.reading() as connection:
        found = audits.several(connection, TENANT, [*every, "aud_unknown"])
        waits = waiting.of_several(connection, TENANT, [*every, "aud_unknown"])
        assert found == {id: replace(audits.get(connection, TENANT, id), request={}) for id in every}
        assert waits == {id: its for id in every if (its := waiting.of(connection, TENANT, id)) is not None}
        assert audits.several(connection, "other", every) == {}
        assert waiting.of_several(connection, "other", every) == {}
    assert {waits[id].position for id in queued} <= set(range(4))
    assert running not in waits
