"""The bodies of the public API, made of the services' results."""

from gateway import answers

LINK = {
    "url": "https://nats.io",
    "title": "NATS",
    "description": "A bus",
    "tags": ["bus", "go"],
    "status": "pending",
    "visibility": "public",
    "created_at": "2026-11-22T10:00:00.000001Z",
    "updated_at": "2026-11-22T11:00:00.000001Z",
    "version": "17-1",
}


def test_link_has_the_names_of_the_api() -> None:
    assert answers.links({"links": [LINK], "next_token": "t"}) == {
        "err": "",
        "links": [
            {
                "Url": "https://nats.io",
                "Title": "NATS",
                "Description": "A bus",
                "Tags": {"bus": True, "go": True},
                "Status": "pending",
                "Visibility": "public",
                "CreatedAt": "2026-11-22T10:00:00.000001Z",
                "UpdatedAt": "2026-11-22T11:00:00.000001Z",
                "Version": "17-1",
            }
        ],
        "next_token": "t",
    }


def test_names_are_an_object() -> None:
    result = {"usernames": ["bob", "carol"], "next_token": ""}
    assert answers.followers(result) == {
        "err": "",
        "followers": {"bob": True, "carol": True},
        "next_token": "",
    }


def test_news_has_the_names_of_the_api() -> None:
    event = {
        "event_type": "LINK_ADDED",
        "username": "bob",
        "url": "https://nats.io",
        "title": "NATS",
        "timestamp": "2026-11-22T10:00:00.000000Z",
    }
    assert answers.news({"events": [event], "next_token": "t"}) == {
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
    assert answers.signed_in(profile, result) == {
        "err": "",
        "login": "Alice",
        "id": 7,
        "email": None,
        "username": "alice",
        "access_token": "dlk_a",
        "expires_at": "2026",
    }


def test_each_change_has_the_status_that_it_would_have_alone() -> None:
    results = [
        {"link": LINK},
        {"error": ["NotFound", "no_such_link", "Not there.", "url"]},
        {"error": ["LimitExceeded", "too_many_links", "Too many.", ""]},
    ]
    assert answers.change_results(results) == {
        "err": "",
        "results": [
            {"status": 200, "err": "", "version": "17-1"},
            {"status": 404, "code": "no_such_link", "err": "Not there.", "field": "url"},
            {"status": 422, "code": "too_many_links", "err": "Too many."},
        ],
    }
