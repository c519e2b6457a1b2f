"""Adds of one owner's that come side by side, over a store that takes its time."""

from collections.abc import Sequence
from typing import Any

import eventlet
import pytest
from eventlet.event import Event

from chassis.errors import AlreadyExists, ServiceError, Unavailable
from link_svc import schemas
from link_svc.adds import MOST_TOGETHER, Adds
from link_svc.domain import NewLink


class SlowStore:
    """Notes what is added by each statement, which ends when it is let go."""

    def __init__(self) -> None:
        self.statements: list[list[str]] = []
        self.ends: list[Event] = []
        self.contexts: list[Any] = []
        self.together: Any = lambda news: [new.key.url for new in news]

    def add(self, new: NewLink, quota: int) -> Any:
        self._take([new])
        return f"alone {new.key.url}"

    def add_all(self, news: Sequence[NewLink], quota: int, *, contexts: Sequence[Any]) -> Any:
        self.contexts += contexts
        self._take(news)
        return self.together(news)

    def context(self) -> Any:
        return {"said by": len(self.statements)}

    def _take(self, news: Sequence[NewLink]) -> None:
        self.statements.append([new.key.url[-1:] for new in news])
        self.ends.append(Event())
        self.ends[-1].wait()


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
def adds() -> Adds:
    return Adds()


def begin(adds: Adds, store: SlowStore, name: str, owner: str = "ann", seconds: float = 5) -> Any:
    """Add in a thread of its own; what comes of it, or why not, is what it returns."""
    new = schemas.new_link(owner, {"url": f"https://example.org/{name}"})

    def add() -> Any:
        try:
            with eventlet.Timeout(seconds):
                return adds.add(store, new, 100)
        except (ServiceError, eventlet.Timeout) as error:
            return error

    thread = eventlet.spawn(add)
    settle()
    return thread


def settle() -> None:
    for _ in range(5):
        eventlet.sleep(0)


def end(store: SlowStore) -> None:
    """Let the next statement that has not ended do so."""
    next(each for each in store.ends if not each.ready()).send()
    settle()


def test_who_comes_alone_waits_for_nobody(adds: Adds, store: SlowStore) -> None:
    for name in "abc":
        added = begin(adds, store, name)
        end(store)
        assert added.wait() == f"alone https://example.org/{name}"
    assert store.statements == [["a"], ["b"], ["c"]]


def test_those_who_come_meanwhile_go_together(adds: Adds, store: SlowStore) -> None:
    first, *rest = [begin(adds, store, name) for name in "abcd"]
    assert store.statements == [["a"]]
    end(store)
    assert store.statements == [["a"], ["b", "c", "d"]]
    last = begin(adds, store, "e")
    end(store)
    assert first.wait() == "alone https://example.org/a"
    assert [each.wait() for each in rest] == [f"https://example.org/{name}" for name in "bcd"]
    assert store.contexts == [{"said by": 1}] * 3
    end(store)
    assert last.wait() == "alone https://example.org/e"


def test_owners_do_not_wait_for_each_other(adds: Adds, store: SlowStore) -> None:
    begin(adds, store, "a")
    begin(adds, store, "b", owner="bob")
    assert store.statements == [["a"], ["b"]]


def test_each_hears_what_became_of_its_own(adds: Adds, store: SlowStore) -> None:
    store.together = lambda news: [AlreadyExists("link_exists", "It is there.", "url"), "added"]
    _, refused, added = [begin(adds, store, name) for name in "abc"]
    end(store)
    end(store)
    assert refused.wait().code == "link_exists"
    assert added.wait() == "added"


def test_database_that_is_away_is_so_for_all_of_them(adds: Adds, store: SlowStore) -> None:
    def fail(_: Any) -> None:
        raise Unavailable("database_unavailable", "It is away.")

    store.together = fail
    _, *rest = [begin(adds, store, name) for name in "abc"]
    end(store)
    end(store)
    errors = [each.wait() for each in rest]
    assert [error.code for error in errors] == ["database_unavailable"] * 2
    assert errors[0] is not errors[1]


def test_what_fails_together_is_tried_alone(adds: Adds, store: SlowStore) -> None:
    def fail(_: Any) -> None:
        raise ValueError("one of them is odd")

    store.together = fail
    _, *rest = [begin(adds, store, name) for name in "abc"]
    end(store)
    end(store)
    assert sorted(store.statements[2:]) == [["b"], ["c"]]
    end(store)
    end(store)
    assert [each.wait() for each in rest] == [f"alone https://example.org/{n}" for n in "bc"]


def test_first_that_fails_lets_the_others_go_on(adds: Adds, store: SlowStore) -> None:
    first = begin(adds, store, "a", seconds=0.05)
    second = begin(adds, store, "b")
    assert isinstance(first.wait(), eventlet.Timeout)
    settle()
    store.ends[1].send()
    assert second.wait() == "alone https://example.org/b"


def test_deadline_of_who_waits_is_kept(adds: Adds, store: SlowStore) -> None:
    first = begin(adds, store, "a")
    gone = begin(adds, store, "b", seconds=0.05)
    third = begin(adds, store, "c")
    assert isinstance(gone.wait(), eventlet.Timeout)
    end(store)
    end(store)
    assert (first.wait()[-1], third.wait()[-1]) == ("a", "c")
    assert store.statements == [["a"], ["c"]]


def test_deadline_in_the_middle_of_a_statement_is_an_error_for_all_of_it(
    adds: Adds, store: SlowStore
) -> None:
    begin(adds, store, "a")
    waiting = begin(adds, store, "b")
    leading = begin(adds, store, "c", seconds=0.05)
    end(store)
    assert store.statements[1] == ["b", "c"]
    assert isinstance(leading.wait(), eventlet.Timeout)
    assert waiting.wait().code == "database_unavailable"
    later = begin(adds, store, "d")
    store.ends[2].send()
    assert later.wait() == "alone https://example.org/d"


def test_line_goes_on_when_who_should_lead_it_has_left(adds: Adds, store: SlowStore) -> None:
    def add_and_kill() -> None:
        adds.add(store, schemas.new_link("ann", {"url": "https://example.org/a"}), 100)
        last.kill()  # it has been told to lead, and had no time yet

    eventlet.spawn(add_and_kill)
    settle()
    second = begin(adds, store, "b")
    last = begin(adds, store, "c")
    end(store)
    end(store)
    assert second.wait() == "alone https://example.org/b"
    assert store.statements == [["a"], ["b"]]


def test_many_go_in_parts(adds: Adds, store: SlowStore) -> None:
    first = begin(adds, store, "first")
    crowd = [begin(adds, store, f"{number}") for number in range(MOST_TOGETHER + 3)]
    for _ in range(3):
        end(store)
    assert [len(statement) for statement in store.statements] == [1, MOST_TOGETHER, 3]
    assert all(each.wait() for each in [first, *crowd])
