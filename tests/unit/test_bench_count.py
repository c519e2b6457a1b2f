"""How the benchmark counts statements, and compares them with what docs/performance.md says."""

import pytest

from bench.count import document
from bench.count.meter import Counts
from bench.count.postgres import is_of_a_request, is_work, round_trips, units

SOME = Counts(1, 2, 3, 4, 5)


def log(*statements: tuple[int, str]) -> list[str]:
    return [f"{session}|LOG:  statement: {statement}" for session, statement in statements]


def test_transactions_of_several_sessions_are_told_apart() -> None:
    lines = log(
        (1, "SELECT 1"),
        (2, "BEGIN"),
        (1, "BEGIN"),
        (2, "DELETE FROM outbox WHERE id = 7"),
        (1, "INSERT INTO links"),
        (2, "COMMIT"),
        (1, "INSERT INTO outbox"),
        (1, "COMMIT"),
    )
    found = list(units(lines))
    assert [is_of_a_request(unit) for unit in found] == [True, False]
    assert found[0] == ["SELECT 1", "BEGIN", "INSERT INTO links", "INSERT INTO outbox", "COMMIT"]


def test_begin_that_goes_along_with_the_work_is_part_of_its_unit() -> None:
    lines = log((1, "BEGIN;INSERT INTO links"), (1, "COMMIT"), (1, "SELECT a"))
    written, read = units(lines)
    assert (round_trips(written), round_trips(read)) == (2, 1)
    assert is_of_a_request(written)


def test_commit_that_goes_along_with_the_work_ends_its_unit() -> None:
    lines = log((1, "BEGIN;SELECT a"), (1, "INSERT INTO links; COMMIT"), (1, "SELECT b"))
    written, read = units(lines)
    assert (round_trips(written), round_trips(read)) == (2, 1)
    assert sum(map(is_work, written)) == 2


def test_what_has_only_begun_or_only_ended_is_of_no_request() -> None:
    assert not is_of_a_request(["SELECT 1", "BEGIN"])
    assert not is_of_a_request(["COMMIT"])


def test_statements_without_a_transaction_are_units_by_themselves() -> None:
    lines = log((1, "SELECT 1"), (1, "SELECT a"), (1, "SET x TO DEFAULT"), (1, "SELECT b"))
    assert list(units(lines)) == [["SELECT 1", "SELECT a", "SET x TO DEFAULT"], ["SELECT b"]]


def test_what_the_server_says_besides_is_no_statement() -> None:
    lines = ["\t  FROM links", "9|LOG:  checkpoint starting", "9|DETAIL:  parameters: $1 = 'x'"]
    assert not list(units(lines))


def test_prepared_statements_count() -> None:
    assert list(units(["9|LOG:  execute <unnamed>: SELECT a", "9|LOG:  execute s1: SELECT b"])) == [
        ["SELECT a"],
        ["SELECT b"],
    ]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", False),
        ("SELECT 1 FROM links", True),
        ("begin", False),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", False),
        ("BEGIN;INSERT INTO links", True),
        ("BEGIN;SAVEPOINT a", False),
        ("COMMIT", False),
        ("ROLLBACK TO SAVEPOINT a", False),
        ("SET default_transaction_isolation TO DEFAULT", False),
        ("WITH turn AS (", True),
    ],
)
def test_wrapping_is_not_work(statement: str, expected: bool) -> None:
    assert is_work(statement) is expected


def test_what_depends_on_the_last_use_of_a_connection_is_no_round_trip() -> None:
    assert round_trips(["SELECT 1", "SET x TO DEFAULT", "BEGIN", "SELECT a", "COMMIT"]) == 4


def test_least_is_what_every_request_has() -> None:
    assert Counts.least([Counts(1, 9, 1, 0, 2), Counts(3, 4, 1, 2, 1)]) == Counts(1, 4, 1, 0, 1)


def test_document_says_what_was_written_into_it() -> None:
    text = document.replace(document.DOCUMENT.read_text(), {"an add": SOME})
    assert document.read(text) == {"an add": SOME}
    assert document.replace(text, document.read(text)) == text


def test_differences_are_told_in_both_directions() -> None:
    assert not list(document.differences({"a": SOME}, {"a": SOME}))
    assert len(list(document.differences({"a": SOME}, {}))) == 1
    assert len(list(document.differences({}, {"a": SOME}))) == 1
    assert len(list(document.differences({"a": SOME}, {"a": Counts(1, 2, 3, 4, 6)}))) == 1


def test_everything_that_is_counted_is_in_the_document() -> None:
    stated = document.read(document.DOCUMENT.read_text())
    assert {"list, 10 a page", "add", "news, 10 events"} <= set(stated)
