"""Who may see what, over HTTP and in the news."""

from collections.abc import Callable

from tests.e2e.api import Api, added, assert_refused, assert_told
from tests.e2e.system import System

Newcomer = Callable[[str], Api]

URL = "https://example.org/visible"


def test_link_that_becomes_private_leaves_the_news_and_comes_back_as_news(
    newcomer: Newcomer,
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.follow(alice.name)
    alice.add_link(f"{URL}/secret", visibility="private")
    alice.add_link(f"{URL}/1", visibility="public")
    alice.update_link(f"{URL}/1", title="One")
    alice.add_link(f"{URL}/2")
    first = [*added(alice, f"{URL}/1"), ("LINK_UPDATED", alice.name, f"{URL}/1")]
    assert_told(bob, [*first, *added(alice, f"{URL}/2")])
    token = bob.news(page_size=1)["next_token"]

    alice.update_link(f"{URL}/1", visibility="private", title="A secret")
    assert_told(bob, added(alice, f"{URL}/2"))
    assert bob.told(start_token=token) == added(alice, f"{URL}/2")
    assert alice.urls(visibility="private") == [f"{URL}/secret", f"{URL}/1"]

    alice.update_link(f"{URL}/1", visibility="followers")
    alice.delete_link(f"{URL}/secret")
    shown = [*added(alice, f"{URL}/2"), ("LINK_UPDATED", alice.name, f"{URL}/1")]
    assert_told(bob, shown)
    assert [link["Visibility"] for link in alice.links()["links"]] == ["followers", "followers"]


def test_each_finds_of_somebody_what_they_may_see(newcomer: Newcomer) -> None:
    alice, bob, carol = (newcomer(name) for name in ("alice", "bob", "carol"))
    bob.follow(alice.name)
    for visibility in ("private", "followers", "public"):
        alice.add_link(f"{URL}/{visibility}", visibility=visibility, tags="t")
    everything = [f"{URL}/{name}" for name in ("private", "followers", "public")]
    for viewer, seen in ((alice, everything), (bob, everything[1:]), (carol, everything[2:])):
        assert viewer.links_of(alice.name.upper()) == seen
        assert viewer.links_of(alice.name, tag="t", order="newest") == seen[::-1]
        assert viewer.links_of(alice.name, visibility="private") == seen[:-2]
        assert viewer.links_of(alice.name, url_regex="private") == seen[:-2]
        user = viewer.user(alice.name.upper())
        assert (user["Username"], user["Links"]) == (alice.name, len(seen))
        assert (user["Followers"], user["Following"]) == (1, 0)
        assert user["Followed"] == (viewer is bob)


def test_default_visibility_is_each_persons_own(newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    answer = alice.call("PUT", "/v1.0/me", json={"default_visibility": "private"})
    assert answer.json() == {"err": ""}
    me = alice.call("GET", "/v1.0/me").json()["user"]
    assert (me["Username"], me["DefaultVisibility"]) == (alice.name, "private")
    alice.add_link(f"{URL}/1")
    alice.add_link(f"{URL}/2", visibility="public")
    assert newcomer("bob").links_of(alice.name) == [f"{URL}/2"]


def test_who_is_blocked_stops_following_and_finds_nobody(newcomer: Newcomer) -> None:
    """And cannot tell, by these answers, from somebody who is not there."""
    alice, mallory = newcomer("alice"), newcomer("mallory")
    mallory.follow(alice.name)
    alice.follow(mallory.name)
    alice.add_link(URL, visibility="public")
    assert_told(mallory, added(alice, URL))

    alice.block(mallory.name.upper())
    assert_told(mallory, [])
    assert mallory.following()["following"] == alice.following()["following"] == {}
    nobody = f"nobody-{alice.name}"
    for method, path, field in (
        ("GET", "users/{}", "name"),
        ("GET", "users/{}/links", "name"),
        ("POST", "following?followed={}", "followed"),
    ):
        answers = [
            mallory.call(method, f"/v1.0/{path.format(name)}") for name in (alice.name, nobody)
        ]
        assert_refused(answers[0], 404, "no_such_user", field)
        told = [answer.json() | {"request_id": ""} for answer in answers]
        assert told[0] == told[1]
    assert_refused(
        alice.call("POST", "/v1.0/following", json={"followed": mallory.name}),
        *(403, "user_blocked", "followed"),
    )
    assert alice.user(mallory.name)["Blocked"]

    alice.unblock(mallory.name)
    assert mallory.links_of(alice.name) == [URL]
    assert not alice.user(mallory.name)["Blocked"]
    mallory.follow(alice.name)
    assert_told(mallory, added(alice, URL))


# ---- OWASP API Security Top 10 (2023)


def test_api1_object_level_authorization(newcomer: Newcomer) -> None:
    """No parameter and no token of another's opens, changes or deletes what is not one's own."""
    alice, mallory = newcomer("alice"), newcomer("mallory")
    for n in range(3):
        alice.add_link(f"{URL}/{n}", visibility="private")
    token = alice.links(page_size=1)["next_token"]
    assert mallory.links_of(alice.name) == []
    for path in (f"/v1.0/users/{alice.name}/links", "/v1.0/links"):
        for query in ({}, {"audience": "owner"}, {"username": alice.name}):
            answer = mallory.call("GET", path, params={"start_token": token, **query})
            assert_refused(answer, 400, "invalid_token", "start_token")
    for method in ("PUT", "DELETE"):
        fields = {"url": f"{URL}/0", "visibility": "public", "owner": alice.name}
        answer = mallory.call(method, "/v1.0/links", json={**fields, "username": alice.name})
        assert_refused(answer, 404, "no_such_link", "url")
    assert alice.urls(visibility="private") == [f"{URL}/{n}" for n in range(3)]


def test_api3_object_property_level_authorization(newcomer: Newcomer) -> None:
    """Nobody sets what is not theirs to set, and a page shows no more than it says."""
    alice, bob = newcomer("alice"), newcomer("bob")
    alice.add_link(URL, visibility="public", status="valid", owner=bob.name, created_at="2000")
    (link,) = alice.links()["links"]
    assert link["Status"] == "pending"
    assert link["CreatedAt"] > "2026"
    user = bob.user(alice.name)
    shown = {"Username", "Name", "CreatedAt", "Links", "Followers", "Following", "Followed"}
    assert set(user) == shown | {"Blocked"}


def test_api5_function_level_authorization(newcomer: Newcomer, system: System) -> None:
    """Nobody who is not signed in does or finds anything; nobody acts for another."""
    alice, mallory = newcomer("alice"), newcomer("mallory")
    alice.add_link(URL, visibility="public")
    for token in ("", "dlk_" + "x" * 43):
        for method, path in (
            ("GET", f"users/{alice.name}"),
            ("GET", f"users/{alice.name}/links"),
            ("GET", "users/nobody-at-all"),
            ("GET", "blocked"),
            ("POST", "blocked"),
            ("DELETE", "blocked"),
            ("PUT", "me"),
        ):
            answer = Api(system.url, token).call(method, f"/v1.0/{path}")
            assert_refused(answer, 401, "access_denied")
    for method in ("POST", "DELETE"):
        body = {"blocked": mallory.name, "username": alice.name, "blocker": alice.name}
        assert mallory.call(method, "/v1.0/blocked", json=body).status_code in (400, 404)
    mallory.call("PUT", "/v1.0/me", json={"default_visibility": "public", "username": alice.name})
    alice.add_link(f"{URL}/2")
    assert alice.urls(visibility="followers") == [f"{URL}/2"]
