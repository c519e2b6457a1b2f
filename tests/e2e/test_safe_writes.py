"""Writes that may be repeated, that are for one version, and that come together."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.e2e.api import Api, assert_refused, assert_told
from tests.e2e.conftest import MAX_LINKS_PER_USER

Newcomer = Callable[[str], Api]

URL = "https://safe.example/"
LINK, LINKS, BULK, FOLLOWING, BLOCKED = (
    f"/v1.0/{path}" for path in ("link", "links", "links/bulk", "following", "blocked")
)


@pytest.fixture
def alice(newcomer: Newcomer) -> Api:
    return newcomer("alice")


def test_repeated_add_is_answered_as_the_first(alice: Api) -> None:
    key = {"Idempotency-Key": "add 1"}
    answers = [alice.call("POST", LINKS, json={"url": URL}, headers=key) for _ in range(3)]
    assert [(each.status_code, each.json()) for each in answers] == [(200, {"err": ""})] * 3
    assert len({each.headers["ETag"] for each in answers}) == 1
    assert alice.urls() == [URL]
    other = alice.call("POST", LINKS, json={"url": URL, "title": "T"}, headers=key)
    assert_refused(other, 409, "idempotency_key_reused", "Idempotency-Key")
    assert_refused(alice.call("POST", LINKS, json={"url": URL}), 409, "link_exists", "url")


def test_key_is_the_callers_own(alice: Api, newcomer: Newcomer) -> None:
    bob, key = newcomer("bob"), {"Idempotency-Key": "k"}
    for person, url in ((alice, URL), (bob, URL + "bob")):
        assert person.call("POST", LINKS, json={"url": url}, headers=key).ok
    assert (alice.urls(), bob.urls()) == ([URL], [URL + "bob"])


def test_repeated_follow_and_block_are_done_once(alice: Api, newcomer: Newcomer) -> None:
    bob = newcomer("bob")
    for path, field, kept in (
        (FOLLOWING, "followed", "following"),
        (BLOCKED, "blocked", "blocked"),
    ):
        key = {"Idempotency-Key": field}
        for _ in range(2):
            answer = alice.call("POST", path, json={field: bob.name.upper()}, headers=key)
            assert (answer.status_code, answer.json()) == (200, {"err": ""})
        assert alice.call("GET", path).json()[kept] == {bob.name: True}
    other = alice.call("POST", FOLLOWING, json={"followed": bob.name}, headers=key)
    assert_refused(other, 409, "idempotency_key_reused", "Idempotency-Key")


def test_repeated_refusal_is_the_first_and_a_wrong_request_takes_no_key(alice: Api) -> None:
    alice.add_link(URL)
    key = {"Idempotency-Key": "k"}
    for url, status, code in (
        ("nothing", 400, "invalid_url"),
        (URL, 409, "link_exists"),
        (URL, 409, "link_exists"),
    ):
        assert_refused(
            alice.call("POST", LINKS, json={"url": url}, headers=key), status, code, "url"
        )
        if status == 409:
            alice.call("DELETE", LINKS, json={"url": URL})
    long = alice.call("POST", LINKS, json={"url": URL}, headers={"Idempotency-Key": "k" * 256})
    assert_refused(long, 400, "invalid_idempotency_key", "Idempotency-Key")


def tag_of(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {"If-Match": answer.headers["ETag"]}


def test_change_for_a_version_that_is_gone_is_refused(alice: Api) -> None:
    added = alice.call("POST", LINKS, json={"url": URL})
    shown = alice.call("GET", LINK, params={"url": URL})
    first = tag_of(added)
    assert first == tag_of(shown)
    assert first["If-Match"] == f'"{shown.json()["link"]["Version"]}"'
    second = tag_of(alice.call("PUT", LINKS, json={"url": URL, "title": "T"}, headers=first))
    assert second != first
    for method in ("PUT", "DELETE"):
        for stale in (first, {"If-Match": '"else"'}, {"If-Match": f"W/{second['If-Match']}"}):
            answer = alice.call(method, LINKS, json={"url": URL, "title": "U"}, headers=stale)
            assert_refused(answer, 412, "link_changed", "If-Match")
    assert [link["Title"] for link in alice.links()["links"]] == ["T"]
    third = tag_of(
        alice.call("PUT", LINKS, json={"url": URL, "title": "V"}, headers={"If-Match": "*"})
    )
    assert alice.call("DELETE", LINKS, json={"url": URL}, headers=third).ok
    alice.add_link(URL)
    answer = alice.call("DELETE", LINKS, json={"url": URL}, headers=third)
    assert_refused(answer, 412, "link_changed", "If-Match")


def test_link_that_is_not_there_is_404(alice: Api, newcomer: Newcomer) -> None:
    newcomer("bob").add_link(URL)
    answer = alice.call("GET", LINK, params={"url": URL})
    assert_refused(answer, 404, "no_such_link", "url")


def change(api: Api, *changes: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    answer = api.call("POST", BULK, json={"changes": changes}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["err"] == ""
    return answer.json()["results"]


def test_many_changes_have_each_a_result_and_are_told_in_order(
    alice: Api, newcomer: Newcomer
) -> None:
    bob = newcomer("bob")
    bob.follow(alice.name)
    changes = [
        {"action": "add", "url": URL, "tags": ["a"]},
        {"action": "add", "url": "nothing"},
        {"action": "update", "url": URL, "title": "T", "add_tags": "b"},
        {"action": "add", "url": URL},
        {"action": "add", "url": f"{URL}2"},
        {"action": "delete", "url": f"{URL}2", "version": "else"},
        {"action": "delete", "url": f"{URL}2"},
    ]
    for _ in range(2):  # the second time they are not made again
        results = change(alice, *changes, **{"Idempotency-Key": "bulk"})
        assert [(each["status"], each.get("code", "")) for each in results] == [
            (200, ""),
            (400, "invalid_url"),
            (200, ""),
            (409, "link_exists"),
            (200, ""),
            (412, "link_changed"),
            (200, ""),
        ]
    (link,) = alice.links()["links"]
    assert (link["Title"], link["Tags"], link["Version"]) == (
        *("T", {"a": True, "b": True}, results[2]["version"]),
    )
    two = f"{URL}2"
    events = [
        ("LINK_ADDED", URL),
        ("LINK_UPDATED", URL),
        ("LINK_ADDED", two),
        ("LINK_DELETED", two),
    ]
    assert_told(bob, [(kind, alice.name, url) for kind, url in events])


def test_many_adds_stop_at_the_quota(alice: Api) -> None:
    first = [{"action": "add", "url": f"{URL}{number}"} for number in range(100)]
    assert {each["status"] for each in change(alice, *first)} == {200}
    rest = [{"action": "add", "url": f"{URL}-{number}"} for number in range(25)]
    codes = [each.get("code", "") for each in change(alice, *rest)]
    left = MAX_LINKS_PER_USER - 100
    assert codes == [""] * left + ["too_many_links"] * (25 - left)
    deletions = [{"action": "delete", "url": each["url"]} for each in first]
    assert {each["status"] for each in change(alice, *deletions)} == {200}
    assert len(alice.urls(page_size=100)) == left


@pytest.mark.parametrize("changes", [None, [], {}, "add", ["add"], [{}] * 101])
def test_changes_must_be_a_list_of_some_objects(alice: Api, changes: Any) -> None:
    answer = alice.call("POST", BULK, json={"changes": changes})
    code = "missing_changes" if changes is None else "invalid_changes"
    assert_refused(answer, 400, code, "changes")
