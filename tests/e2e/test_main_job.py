"""Save links and follow people, over HTTP alone."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.api import TIME, Api, added, assert_refused, assert_told
from tests.e2e.conftest import MAX_LINKS_PER_USER

Newcomer = Callable[[str], Api]

URL = "https://example.org/page"


@pytest.fixture(scope="module")
def signed_in(newcomer: Newcomer) -> Api:
    return newcomer("alice")


FORMS: dict[str, dict[str, Any]] = {
    "json-list": {"json": {"tags": ["b", "a c"]}},
    "json-object": {"json": {"tags": {"b": True, "a c": True, "off": False}}},
    "json-text": {"json": {"tags": " b,a c ,"}},
    "form-several": {"data": {"tags": ["b", "a c"]}},
    "form-text": {"data": {"tags": "b,a c"}},
    "multipart": {"files": {"tags": (None, "b,a c")}},
    "query-several": {"params": {"tags": ["b", "a c"]}},
    "query-text": {"params": {"tags": "b,a c"}},
}


@pytest.mark.parametrize("name", FORMS)
def test_link_is_added_by_every_form_of_parameters(signed_in: Api, name: str) -> None:
    ((where, tags),) = FORMS[name].items()
    fields: dict[str, Any] = {"url": f"{URL}?{name}", "title": "A title", "description": "ä & b"}
    if where == "files":
        fields = {key: (None, value) for key, value in fields.items()}
    answer = signed_in.call("POST", "/v1.0/links", **{where: fields | tags})
    assert (answer.status_code, answer.json()) == (200, {"err": ""})
    (link,) = signed_in.links(url_regex=f"\\?{name}$")["links"]
    assert TIME.fullmatch(link.pop("CreatedAt"))
    assert TIME.fullmatch(link.pop("UpdatedAt"))
    assert link.pop("Version")
    assert link == {
        "Url": f"{URL}?{name}",
        "Title": "A title",
        "Description": "ä & b",
        "Tags": {"a c": True, "b": True},
        "Status": "pending",
        "Visibility": "followers",
    }


def test_title_is_the_url_if_left_out(newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    alice.add_link(URL)
    (link,) = alice.links()["links"]
    assert (link["Title"], link["Description"], link["Tags"]) == (URL, "", {})


@pytest.fixture(scope="module")
def reader(newcomer: Newcomer) -> Api:
    """Somebody whose four links hold the same word, each in another field."""
    reader = newcomer("reader")
    reader.add_link("https://needle.example/", title="one", tags=["red"])
    reader.add_link("https://b.example/", title="a Needle", tags=["red", "blue"])
    reader.add_link("https://c.example/", title="three", description="needles", tags=["blue"])
    reader.add_link("https://d.example/", title="four", tags=["needle", "red", "blue"])
    return reader


FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, "nbcd"),
    ({"url_regex": "needle"}, "n"),
    ({"title_regex": "(?i)needle"}, "b"),
    ({"title_regex": "needle"}, ""),
    ({"description_regex": "^needles$"}, "c"),
    ({"url_regex": "example", "title_regex": "^(one|four)$"}, "nd"),
    ({"tag": "red"}, "nbd"),
    ({"tag": "Red"}, ""),
    ({"tag": ["red", "blue"]}, "bd"),
    ({"tag": "red,blue"}, "bd"),
    ({"tag": "blue", "title_regex": "e"}, "bc"),
    ({"order": "newest"}, "dcbn"),
    ({"order": "newest", "tag": "red"}, "dbn"),
]


@pytest.mark.parametrize(("query", "hosts"), FILTERS)
@pytest.mark.parametrize("where", ["params", "json"])
def test_each_filter_looks_at_its_own_field(
    reader: Api, query: dict[str, Any], hosts: str, where: str
) -> None:
    answer = reader.call("GET", "/v1.0/links", **{where: query})
    urls = [link["Url"] for link in answer.json()["links"]]
    assert "".join(url.removeprefix("https://")[0] for url in urls) == hosts


def test_link_is_updated(newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    alice.add_link(URL, title="old", description="old", tags=["a", "b"])
    (before,) = alice.links()["links"]
    alice.update_link(URL, title="new", add_tags=["c"], remove_tags="a,never")
    (after,) = alice.links()["links"]
    assert after["UpdatedAt"] > before["UpdatedAt"]
    assert after.pop("Version") != before.pop("Version")
    changed = {"Title": "new", "Tags": {"b": True, "c": True}, "UpdatedAt": after["UpdatedAt"]}
    assert after == before | changed
    alice.update_link(URL, description="")
    (last,) = alice.links()["links"]
    assert (last["Title"], last["Description"]) == ("new", "")
    assert alice.urls(tag="a") == []
    assert alice.urls(tag="c") == [URL]


@pytest.mark.parametrize("where", ["json", "data", "params"])
def test_link_is_deleted(newcomer: Newcomer, where: str) -> None:
    alice = newcomer("alice")
    alice.add_link(URL)
    assert alice.call("DELETE", "/v1.0/links", **{where: {"url": URL}}).json() == {"err": ""}
    assert alice.urls() == []
    gone = alice.call("DELETE", "/v1.0/links", **{where: {"url": URL}})
    assert_refused(gone, 404, "no_such_link", "url")
    assert_refused(
        alice.call("PUT", "/v1.0/links", **{where: {"url": URL, "title": "t"}}),
        *(404, "no_such_link", "url"),
    )


def test_one_url_is_one_link(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    alice.add_link(URL, title="first")
    again = alice.call("POST", "/v1.0/links", json={"url": URL, "title": "second"})
    assert_refused(again, 409, "link_exists", "url")
    bob.add_link(URL)
    alice.add_link(f"{URL}/")
    assert [link["Title"] for link in alice.links()["links"]] == ["first", f"{URL}/"]


def test_parallel_adds_of_one_url_make_one_link_and_one_event(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.follow(alice.name)
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda _: alice.call("POST", "/v1.0/links", json={"url": URL}), range(32))
        )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 31}
    alice.add_link(f"{URL}/last")
    assert_told(bob, added(alice, URL, f"{URL}/last"))


def test_quota_holds_also_for_parallel_adds(newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    urls = [f"{URL}/{number}" for number in range(MAX_LINKS_PER_USER + 8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda url: alice.call("POST", "/v1.0/links", json={"url": url}), urls)
        )
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) == 8
    for answer in refused:
        assert_refused(answer, 422, "too_many_links")
    kept = [url for url, answer in zip(urls, answers, strict=True) if answer.ok]
    alice.delete_link(kept[0])
    alice.add_link(f"{URL}/room-again")
    assert_refused(alice.call("POST", "/v1.0/links", json={"url": URL}), 422, "too_many_links")


def test_every_route_has_an_alias(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    for call in (
        ("POST", "following", {"followed": bob.name}),
        ("POST", "links", {"url": URL}),
        ("PUT", "links", {"url": URL, "title": "t"}),
    ):
        assert alice.call(call[0], f"/v1/{call[1]}", json=call[2]).json() == {"err": ""}
    for path in ("links", "following", "followers", "news"):
        now, alias = (alice.call("GET", f"/{version}/{path}") for version in ("v1.0", "v1"))
        assert alias.status_code == 200
        assert alias.json() == now.json()
    assert alice.call("DELETE", "/v1/links", json={"url": URL}).json() == {"err": ""}
    unfollowed = alice.call("DELETE", "/v1/following", json={"followed": bob.name})
    assert unfollowed.json() == {"err": ""}


def test_follows_are_seen_from_both_ends_until_they_end(newcomer: Newcomer) -> None:
    alice, bob, carol = (newcomer(name) for name in ("alice", "bob", "carol"))
    alice.follow(bob.name)
    alice.follow(carol.name.upper())
    carol.follow(bob.name)
    assert alice.following() == {
        "err": "",
        "following": {bob.name: True, carol.name: True},
        "next_token": "",
    }
    assert bob.followers()["followers"] == {alice.name: True, carol.name: True}
    assert alice.followers()["followers"] == {}
    alice.unfollow(bob.name.upper())
    assert bob.followers()["followers"] == {carol.name: True}
    assert alice.following()["following"] == {carol.name: True}


@pytest.mark.parametrize("where", ["json", "data", "params"])
def test_nobody_can_make_someone_else_follow(newcomer: Newcomer, where: str) -> None:
    alice, mallory = newcomer("alice"), newcomer("mallory")
    forced = {"followed": mallory.name, "username": alice.name, "follower": alice.name}
    answer = mallory.call("POST", "/v1.0/following", **{where: forced})
    assert_refused(answer, 400, "cannot_follow_yourself", "followed")
    forced = {"url": URL, "username": alice.name, "owner": alice.name}
    assert mallory.call("POST", "/v1.0/links", **{where: forced}).status_code == 200
    assert alice.following()["following"] == {}
    assert alice.urls() == []
    assert alice.urls(username=mallory.name, owner=mallory.name) == []
    assert mallory.followers(username=alice.name)["followers"] == {}


def test_following_what_cannot_be_followed_is_refused(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")

    def follow(method: str, name: str) -> Any:
        return alice.call(method, "/v1.0/following", json={"followed": name})

    alice.follow(bob.name)
    assert_refused(follow("POST", bob.name), 409, "already_following", "followed")
    assert_refused(follow("POST", bob.name.upper()), 409, "already_following", "followed")
    assert_refused(follow("POST", "nobody-knows"), 404, "no_such_user", "followed")
    for no_name in ("no name", "ü", "a" * 65):
        assert_refused(follow("POST", no_name), 404, "no_such_user", "followed")
        assert_refused(follow("DELETE", no_name), 404, "not_following", "followed")
    assert_refused(follow("POST", alice.name), 400, "cannot_follow_yourself", "followed")
    assert_refused(follow("DELETE", "nobody-knows"), 404, "not_following", "followed")
    alice.unfollow(bob.name)
    assert_refused(follow("DELETE", bob.name), 404, "not_following", "followed")
