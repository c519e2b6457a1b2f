"""The gateway's peers: news without gRPC's words, and whether each is there."""

from typing import Any
from unittest.mock import Mock

import pytest

from chassis import errors
from gateway import clients
from protos import news_pb2


def news_of(*events: news_pb2.Event, **fields: Any) -> clients.News:
    stub = Mock()
    stub.GetNews.return_value = news_pb2.GetNewsResponse(events=events, **fields)
    return clients.News(stub)


def an_event(**fields: Any) -> news_pb2.Event:
    event = news_pb2.Event(username="bob", url="https://nats.io", title="NATS", **fields)
    event.timestamp.FromJsonString("2026-11-22T10:00:00.000001Z")
    return event


def test_news_event_is_a_plain_document() -> None:
    page = news_of(an_event(eventType=news_pb2.LINK_DELETED), nextToken="t").get_news("a", "", 10)
    assert page == {
        "events": [
            {
                "event_type": "LINK_DELETED",
                "username": "bob",
                "url": "https://nats.io",
                "title": "NATS",
                "timestamp": "2026-11-22T10:00:00.000001Z",
            }
        ],
        "next_token": "t",
    }


def test_event_type_of_the_future_is_passed_on_as_a_number() -> None:
    page = news_of(an_event(eventType=7)).get_news("a", "", 10)
    assert page["events"][0]["event_type"] == "7"


def test_refusal_in_err_is_an_error() -> None:
    with pytest.raises(errors.InvalidInput, match="No such token"):
        news_of(err="No such token").get_news("a", "x", 10)


def test_user_is_known_by_their_own_spelling() -> None:
    users = Mock()
    users.get_user.return_value = {"username": "Bob", "name": ""}
    assert clients.known_user(users, "bob") == clients.spelling(users, "bob") == "Bob"


def test_unknown_user_is_the_fault_of_followed() -> None:
    users = Mock()
    users.get_user.side_effect = errors.NotFound("no_such_user", "Nobody.", "username")
    with pytest.raises(errors.NotFound) as caught:
        clients.known_user(users, "bob")
    assert (caught.value.code, caught.value.field) == ("no_such_user", "followed")
    assert clients.spelling(users, "bob") == "bob"


def checked(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Check a peer that answers so."""
    peer = Mock()
    peer.get_user.side_effect = answer
    client = clients.ServiceRpc("user_svc", probe="get_user")
    monkeypatch.setattr(client, "get_dependency", lambda worker_ctx: peer)
    client.check()
    peer.get_user.assert_called_once_with("nobody")


def test_peer_that_answers_anything_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ([{}], errors.NotFound("no_such_user"), errors.InvalidInput("invalid_username")):
        checked(monkeypatch, answer)


def test_peer_that_does_not_answer_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (errors.Unavailable("peer_away"), errors.DeadlineExceeded("too_late")):
        with pytest.raises(type(answer)):
            checked(monkeypatch, answer)


def test_news_is_checked_by_reading_some(monkeypatch: pytest.MonkeyPatch) -> None:
    client, news = clients.NewsClient(), news_of()
    monkeypatch.setattr(client, "get_dependency", lambda worker_ctx: news)
    client.check()
    news.stub.GetNews.side_effect = errors.Unavailable("peer_away")
    with pytest.raises(errors.Unavailable):
        client.check()


def test_clients_say_whom_they_wait_for() -> None:
    roles = {clients.ServiceRpc("link_svc", probe="get_links").role, clients.NewsClient().role}
    assert roles == {"link_svc", "news_svc"}
