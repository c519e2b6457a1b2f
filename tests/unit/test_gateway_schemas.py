"""What goes in and out over HTTP."""

from typing import Any

import pytest

from chassis import errors
from gateway import schemas

LINK = {
    "url": "https://nats.io",
    "title": "NATS",
    "description": "A bus",
    "tags": ["bus", "go"],
    "status": "pending",
    "visibility": "public",
    "created_at": "2026-11-22T10:00:00.000001Z",
    "updated_at": "2026-11-22T11:00:00.000001Z",
}


def test_link_has_the_names_of_the_api() -> None:
    assert schemas.links({"links": [LINK], "next_token": "t"}) == {
        "err": "",
        "links": [
            {
                "Url": "https://nats.io",
                "Title": "NATS",
                "Description": "A bus",
                "Tags": {"bus": True, "go": True},
                "Status": "pending",
                "CreatedAt": "2026-11-22T10:00:00.000001Z",
                "UpdatedAt": "2026-11-22T11:00:00.000001Z",
            }
        ],
        "next_token": "t",
    }


def test_names_are_an_object() -> None:
    result = {"usernames": ["bob", "carol"], "next_token": ""}
    assert schemas.names("followers", result) == {
        "err": "",
        "followers": {"bob": True, "carol": True},
        "next_token": "",
    }


def test_only_known_parameters_are_passed_on() -> None:
    params = {"url": "u", "tags": ["a"], "username": "mallory", "status": "valid"}
    assert schemas.new_link(params) == {"url": "u", "tags": ["a"]}
    assert schemas.link_changes(params | {"add_tags": "b"}) == {"url": "u", "add_tags": "b"}


def test_link_query_passes_filters_and_reads_the_size() -> None:
    params = {"tag": ["a", "b"], "url_regex": "x", "page_size": "20", "owner": "bob"}
    assert schemas.link_query(params) == {"tag": ["a", "b"], "url_regex": "x", "page_size": 20}
    assert schemas.link_query({}) == {}


def test_page_is_ten_from_the_start_unless_asked() -> None:
    assert schemas.page({}) == {"start_token": "", "page_size": 10}
    assert schemas.page({"start_token": "t", "page_size": 100})["page_size"] == 100


@pytest.mark.parametrize(
    "size",
    [0, -1, 101, "0", "101", "-1", "", "ten", "1.0", 1.0, True, None, [], "\uff19", "9" * 5000],
)
def test_page_size_must_be_1_to_100(size: Any) -> None:
    for read in (schemas.page, schemas.link_query):
        with pytest.raises(errors.InvalidInput) as caught:
            read({"page_size": size})
        assert (caught.value.code, caught.value.field) == ("invalid_page_size", "page_size")


@pytest.mark.parametrize("token", [5, None, [], {}])
def test_start_token_must_be_a_text(token: Any) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        schemas.page({"start_token": token})
    assert (caught.value.code, caught.value.field) == ("invalid_token", "start_token")


def test_order_is_oldest_or_newest() -> None:
    assert schemas.newest_first({}) is False
    assert schemas.newest_first({"order": "newest"}) is True
    for order in ("", "NEWEST", 1, [], {}):
        with pytest.raises(errors.InvalidInput) as caught:
            schemas.newest_first({"order": order})
        assert (caught.value.code, caught.value.field) == ("invalid_order", "order")


def test_text_must_be_there_and_a_text() -> None:
    assert schemas.text("followed", {"followed": "bob"}) == "bob"
    cases: dict[str, Any] = {"missing_followed": "", "invalid_followed": ["bob"]}
    for code, value in cases.items():
        with pytest.raises(errors.InvalidInput) as caught:
            schemas.text("followed", {"followed": value})
        assert (caught.value.code, caught.value.field) == (code, "followed")


def test_news_has_the_names_of_the_api() -> None:
    event = {
        "event_type": "LINK_ADDED",
        "username": "bob",
        "url": "https://nats.io",
        "title": "NATS",
        "timestamp": "2026-11-22T10:00:00.000000Z",
    }
    assert schemas.news({"events": [event], "next_token": "t"}) == {
        "err": "",
        "events": [
            {
                "EventType": "LINK_ADDED",
                "Username": "bob",
                "Url": "https://nats.io",
                "Title": "NATS",
                "Timestamp": "2026-11-22T10:00:00.000000Z",
            }
        ],
        "next_token": "t",
    }


def test_who_signed_in_has_the_profile_and_our_token() -> None:
    profile = {"login": "Alice", "id": 7, "email": None}
    result = {"username": "alice", "name": "", "access_token": "dlk_a", "expires_at": "2026"}
    assert schemas.signed_in(profile, result) == {
        "err": "",
        "login": "Alice",
        "id": 7,
        "email": None,
        "username": "alice",
        "access_token": "dlk_a",
        "expires_at": "2026",
    }
