"""The values of the news, and what they refuse."""

from base64 import urlsafe_b64encode
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import errors
from contracts import limits
from news_svc import domain
from news_svc.domain import Event, EventType, NewsQuery, Order, Page, Position, Published

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def an_event(**changes) -> Event:
    fields = {
        "type": EventType.LINK_ADDED,
        "author": "ann",
        "url": "https://example.org/",
        "title": "An example",
        "time": NOON,
    }
    return Event(**{**fields, **changes})


def a_query(**changes) -> NewsQuery:
    fields = {"username": "bob", "start_token": "", "page_size": 0, "order": Order.OLDEST}
    return NewsQuery.new(**{**fields, **changes})


def code_of(call, *args, **kwargs) -> str:
    with pytest.raises(errors.InvalidInput) as refused:
        call(*args, **kwargs)
    return refused.value.code


@given(st.sampled_from(Order), st.integers(0, domain.MAX_SEQUENCE))
def test_token_names_its_position(order, sequence):
    position = Position(order, sequence)
    assert Position.parse(position.token, order) == position


def test_token_is_safe_in_a_url():
    token = Position(Order.NEWEST, domain.MAX_SEQUENCE).token
    assert token.replace("-", "").replace("_", "").isalnum()


@given(st.binary(min_size=9, max_size=9).map(urlsafe_b64encode).map(bytes.decode) | st.text())
def test_token_of_any_text_is_ours_or_refused(text):
    with suppress(errors.InvalidInput):
        assert Position.parse(text, Order.OLDEST).token == text


@pytest.mark.parametrize(
    "forged",
    [
        Position(Order.OLDEST, 7).token[:-1],
        Position(Order.OLDEST, 7).token + "=",
        Position(Order.OLDEST, 7).token + "\n",
        Position(Order.NEWEST, 7).token,
        urlsafe_b64encode(b"o" + b"\xff" * 8).decode(),
        "7",
        "-1",
        "\ud800",
        "x" * 10_000,
    ],
)
def test_token_that_is_none_is_refused(forged):
    assert code_of(Position.parse, forged, Order.OLDEST) == "invalid_token"


def test_query_without_a_size_has_the_default():
    assert a_query().page_size == limits.PAGE_SIZE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"username": ""}, "missing_username"),
        ({"username": "a/b"}, "invalid_username"),
        ({"username": "bob\n"}, "invalid_username"),
        ({"username": "b" * 65}, "invalid_username"),
        ({"page_size": -1}, "invalid_page_size"),
        ({"page_size": 101}, "invalid_page_size"),
        ({"start_token": "no"}, "invalid_token"),
    ],
)
def test_query_refuses_what_is_wrong(changes, code):
    assert code_of(a_query, **changes) == code


def test_page_with_more_behind_it_has_a_token():
    query = a_query(page_size=2)
    page = Page.of(query, [(4, an_event(title="4")), (6, an_event(title="6")), (9, an_event())])
    assert [event.title for event in page.events] == ["4", "6"]
    assert a_query(start_token=page.next_token).after == 6


def test_last_page_has_no_token():
    assert Page.of(a_query(page_size=2), [(4, an_event()), (6, an_event())]).next_token == ""
    assert Page.of(a_query(), []) == Page((), "")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"author": ""}, "invalid_username"),
        ({"author": "a/b"}, "invalid_username"),
        ({"url": ""}, "invalid_event"),
        ({"url": "https://" + "x" * domain.MAX_TEXT_LENGTH}, "invalid_event"),
        ({"title": "\ud800"}, "invalid_event"),
    ],
)
def test_event_refuses_what_no_reader_could_be_given(changes, code):
    assert code_of(an_event, **changes) == code


@pytest.mark.parametrize("changes", [{"id": ""}, {"version": 0}, {"version": 2**53}])
def test_published_event_refuses_what_has_no_place(changes):
    fields = {"event": an_event(), "id": "e1", "version": 1, "sequence": 1}
    assert code_of(Published, **{**fields, **changes}) == "invalid_event"
