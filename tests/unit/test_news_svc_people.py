"""Walking through pages of names, one ahead of whoever uses them."""

from typing import Any

import eventlet
import pytest

from chassis.errors import Unavailable
from chassis.telemetry import current
from news_svc.people import pages
from news_svc.schemas import UsernamesDoc


class Book:
    """So many pages, each of one name; ``asked`` are those that somebody has asked for."""

    def __init__(self, count: int, away: int | None = None) -> None:
        self.count = count
        self.away = away
        self.asked: list[tuple[int, str]] = []

    def get(self, username: str, *, start_token: str, page_size: int) -> UsernamesDoc:
        number = int(start_token or 0)
        self.asked.append((number, current.request_id()))
        eventlet.sleep(0)
        if number == self.away:
            raise Unavailable("peer_away")
        token = str(number + 1) if number + 1 < self.count else ""
        return {"usernames": [f"{username}{number}"] if self.count else [], "next_token": token}


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_each_page_comes_once_and_in_order(count: int) -> None:
    book = Book(count)
    assert list(pages(book.get, "u", 1)) == [[f"u{number}"] for number in range(count)]
    assert len(book.asked) == max(1, count)


def test_next_page_is_on_its_way_while_one_is_used_and_no_other() -> None:
    book = Book(9)
    walk = pages(book.get, "u", 1)
    assert next(walk) == ["u0"]
    for _ in range(9):
        eventlet.sleep(0)
    assert [number for number, _ in book.asked] == [0, 1]


def test_what_is_asked_ahead_is_asked_for_the_same_request() -> None:
    current.begin(request_id="r1")
    book = Book(3)
    list(pages(book.get, "u", 1))
    assert book.asked == [(0, "r1"), (1, "r1"), (2, "r1")]
    current.begin()


def test_page_that_cannot_be_had_is_told_when_it_is_wanted() -> None:
    walk = pages(Book(9, away=2).get, "u", 1)
    assert [next(walk), next(walk)] == [["u0"], ["u1"]]
    with pytest.raises(Unavailable):
        next(walk)


def test_whoever_has_had_enough_leaves_nothing_behind() -> None:
    ended: list[Any] = []

    def get(username: str, *, start_token: str, page_size: int) -> UsernamesDoc:
        try:
            if start_token:
                eventlet.sleep(60)
        finally:
            ended.append(start_token)
        return {"usernames": ["u"], "next_token": "more"}

    walk = pages(get, "u", 1)
    next(walk)
    eventlet.sleep(0)
    walk.close()  # type: ignore[attr-defined]
    assert ended == ["", "more"]
