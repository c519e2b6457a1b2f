"""Somebody removes their account: nothing of them is left, and they may come again as new."""

from collections.abc import Callable

import requests

from tests.e2e import remains
from tests.e2e.api import Api, added, assert_refused, assert_told, sign_in_answer
from tests.e2e.system import System
from tests.processes import until

GONE_SECONDS = 30.0


def leave(api: Api) -> requests.Response:
    return api.call("DELETE", "/v1.0/me", json={"confirm": api.name})


def again(system: System, name: str) -> Api:
    """Sign in with a name of which not everything may be gone yet."""

    def come() -> Api | None:
        answer = sign_in_answer(system.url, name)
        if answer.status_code == 503:
            assert_refused(answer, 503, "account_being_removed")
            return None
        return Api(system.url, answer.json()["access_token"], name)

    api: Api = until(come, GONE_SECONDS)
    return api


def test_whoever_leaves_is_gone_everywhere_and_may_come_again(
    system: System, newcomer: Callable[[str], Api]
) -> None:
    bob, alice, eve = newcomer("bob"), newcomer("alice"), newcomer("eve")
    his = f"https://{bob.name}.example/"
    for follower, followed in ((alice, bob), (alice, eve), (bob, alice), (bob, eve), (eve, bob)):
        follower.follow(followed.name)
    bob.add_link(his + "1", tags=["mine"])
    eve.add_link("https://eve.example/1")
    bob.add_link(his + "2")
    bob.update_link(his + "2", title="changed")
    alice.add_link("https://alice.example/1")
    until(lambda: len(alice.told()) == 4)
    assert bob.told()

    assert_refused(bob.call("DELETE", "/v1.0/me"), 400, "missing_confirm", "confirm")
    refused = bob.call("DELETE", "/v1.0/me", json={"confirm": "yes"})
    assert_refused(refused, 400, "not_confirmed", "confirm")
    assert leave(bob).json() == {"err": ""}
    for path in ("me", "links", "news", "tokens"):
        assert_refused(bob.call("GET", f"/v1.0/{path}"), 401, "access_denied")

    back = again(system, bob.name)
    # Only what is new is there: the account that was made a moment ago.
    left = remains.of(system, bob.name)
    assert not [one for one in left if not one.startswith("user_svc.")], left
    assert back.call("GET", "/v1.0/me").json()["user"]["Username"] == bob.name
    assert back.links()["links"] == []
    assert back.followers()["followers"] == back.following()["following"] == {}
    assert back.told() == []
    assert alice.followers()["followers"] == {}
    assert alice.following()["following"] == {eve.name: True}
    assert_told(alice, added(eve, "https://eve.example/1"))

    # What they do from now on is as anybody else's.
    alice.follow(back.name)
    back.follow(eve.name)
    back.add_link(his + "3")
    assert_told(alice, [*added(eve, "https://eve.example/1"), *added(back, his + "3")])
    assert_told(back, added(eve, "https://eve.example/1"))
    assert back.urls() == [his + "3"]


def test_nothing_is_left_of_whoever_does_not_come_again(
    system: System, newcomer: Callable[[str], Api]
) -> None:
    carl, dora = newcomer("carl"), newcomer("dora")
    dora.follow(carl.name)
    carl.follow(dora.name)
    carl.unfollow(dora.name)
    carl.add_link(f"https://{carl.name}.example/")
    until(dora.told)
    carl.call("POST", "/v1.0/tokens", json={"name": "a program of Carl's"})
    assert remains.of(system, carl.name)
    assert leave(carl).ok
    until(lambda: not remains.of(system, carl.name, "of Carl's"), GONE_SECONDS)
    assert dora.told() == []
