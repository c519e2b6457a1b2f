"""What the gateway remembers of tokens, and for how long."""

from contextlib import nullcontext
from typing import Any
from unittest.mock import create_autospec

import pytest

from chassis.errors import Unauthenticated, Unavailable
from gateway.clients import Users
from gateway.grants import Grants
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
    return Users(peer, Grants(1.0, most=3, timer=clock))


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


def test_a_late_answer_is_as_old_as_its_question(users: Users, peer: Any, clock: Clock) -> None:
    """Asked before a revocation, answered after: it is forgotten a second after the question."""

    def answer_late(token: str) -> dict[str, str]:
        clock.now += 0.9
        return {"username": "alice", "expires_at": ""}

    peer.verify_token.side_effect = answer_late
    users.verify_token("t")
    clock.now = 0.95
    users.verify_token("t")
    assert peer.verify_token.call_count == 1
    clock.now = 1.01
    users.verify_token("t")
    assert peer.verify_token.call_count == 2


def test_an_answer_that_came_too_late_is_not_kept(users: Users, peer: Any, clock: Clock) -> None:
    def answer_late(token: str) -> dict[str, str]:
        clock.now += 1.5
        return {"username": "alice", "expires_at": ""}

    peer.verify_token.side_effect = answer_late
    for _ in range(2):
        users.verify_token("t")
    assert peer.verify_token.call_count == 2


@pytest.mark.parametrize(
    ("method", "argument"), [("delete_token", "id"), ("delete_tokens", ""), ("remove_user", "bob")]
)
@pytest.mark.parametrize("failure", [None, Unavailable("peer_away")])
def test_what_ends_tokens_is_known_here_at_once(
    users: Users, peer: Any, method: str, argument: str, failure: Exception | None
) -> None:
    grants = {"t1": "alice", "t2": "alice", "t3": "eve"}
    peer.verify_token.side_effect = lambda token: {"username": grants[token], "expires_at": ""}
    for token in grants:
        users.verify_token(token)
    getattr(peer, method).side_effect = failure
    with pytest.raises(Unavailable) if failure else nullcontext():
        getattr(users, method)("alice", argument)
    getattr(peer, method).assert_called_once_with("alice", argument)
    for token in grants:
        users.verify_token(token)
    assert peer.verify_token.call_count == 5
