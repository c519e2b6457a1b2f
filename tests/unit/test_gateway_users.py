"""What the gateway remembers of tokens, and for how long."""

from typing import Any
from unittest.mock import create_autospec

import pytest
from cachetools import TTLCache

from chassis.errors import Unauthenticated, Unavailable
from gateway.clients import Users
from user_svc.service import UserService


class Clock:
    """Says what time it is."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def peer() -> Any:
    peer = create_autospec(UserService, instance=True)
    peer.verify_token.return_value = {"username": "alice", "expires_at": "2026-12-22T00:00:00Z"}
    return peer


@pytest.fixture
def users(peer: Any, clock: Clock) -> Users:
    return Users(peer, TTLCache(3, 1.0, timer=clock))


def test_a_token_is_asked_for_once_within_its_time(users: Users, peer: Any, clock: Clock) -> None:
    assert {users.verify_token("t")["username"] for _ in range(5)} == {"alice"}
    assert peer.verify_token.call_count == 1
    clock.now = 1.1
    users.verify_token("t")
    assert peer.verify_token.call_count == 2


def test_a_revoked_token_is_asked_for_again(users: Users, peer: Any) -> None:
    users.verify_token("t")
    users.revoke_token("t")
    peer.verify_token.side_effect = Unauthenticated("access_denied", "Access Denied!")
    with pytest.raises(Unauthenticated):
        users.verify_token("t")


def test_a_revocation_that_failed_is_not_forgotten_here(users: Users, peer: Any) -> None:
    users.verify_token("t")
    peer.revoke_token.side_effect = Unavailable("peer_away")
    with pytest.raises(Unavailable):
        users.revoke_token("t")
    users.verify_token("t")
    assert peer.verify_token.call_count == 2


def test_refusals_are_not_kept(users: Users, peer: Any) -> None:
    peer.verify_token.side_effect = Unauthenticated("access_denied", "Access Denied!")
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            users.verify_token("t")
    assert peer.verify_token.call_count == 2


def test_what_is_kept_has_an_end(users: Users, peer: Any) -> None:
    for n in range(5):
        users.verify_token(f"t{n}")
    users.verify_token("t0")
    assert peer.verify_token.call_count == 6


def test_other_calls_go_through(users: Users, peer: Any) -> None:
    users.get_user("bob")
    peer.get_user.assert_called_once_with("bob")
