"""The rules of follows and pages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from social_graph_svc.domain import Follow, Query, Side

USERNAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)


def refusal_of(make):
    with pytest.raises(InvalidInput) as refusal:
        make()
    return refusal.value.code, refusal.value.field


@pytest.mark.parametrize(
    ("follower", "followed", "code", "field"),
    [
        ("", "bob", "missing_username", "username"),
        ("alice", "", "missing_followed", "followed"),
        ("a b", "bob", "invalid_username", "username"),
        ("alice", "bob\n", "invalid_username", "followed"),
        ("alice", "b" * 65, "invalid_username", "followed"),
        ("alice", "böb", "invalid_username", "followed"),
        ("alice", "b\0b", "invalid_username", "followed"),
        ("alice", "follow.bob", "invalid_username", "followed"),
        ("alice", "alice", "cannot_follow_yourself", "followed"),
    ],
)
def test_a_wrong_follow_cannot_be_made(follower, followed, code, field):
    assert refusal_of(lambda: Follow(follower, followed)) == (code, field)


@pytest.mark.parametrize("size", [0, -1, 1001, 10**30])
def test_a_page_has_one_to_a_thousand_names(size):
    code, field = refusal_of(lambda: Query.new(Side.FOLLOWERS, "bob", "", size))
    assert (code, field) == ("invalid_page_size", "page_size")


def next_token(side=Side.FOLLOWERS, username="bob", last="x"):
    return Query.new(side, username, "", 1).page([last, "y"]).next_token


@given(st.sampled_from(Side), USERNAMES, USERNAMES)
def test_a_token_leads_to_the_next_name(side, username, last):
    token = next_token(side, username, last)
    assert Query.new(side, username, token, 5) == Query(side, username, last, 5)


def test_the_last_page_has_no_token():
    query = Query.new(Side.FOLLOWERS, "bob", "", 2)
    assert query.page(["x", "y"]).next_token == ""
    assert query.page([]).usernames == []
    assert query.page(["x", "y", "z"]).usernames == ["x", "y"]


def test_a_token_is_good_for_one_list_only():
    token = next_token()
    wrong = ("invalid_token", "start_token")
    assert refusal_of(lambda: Query.new(Side.FOLLOWING, "bob", token, 1)) == wrong
    assert refusal_of(lambda: Query.new(Side.FOLLOWERS, "Bob", token, 1)) == wrong


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1],
        lambda token: token[1:],
        lambda token: token + "A",
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: token.swapcase(),
        lambda token: "x",
        lambda token: "0",
        lambda token: "-1",
        lambda token: "ä",
        lambda token: "\ud800",
        lambda token: "\0",
        lambda token: "A" * 10_000,
        lambda token: base64.urlsafe_b64encode(b"x" * 13).decode(),
    ],
)
def test_a_token_that_is_none_is_refused(spoil):
    token = spoil(next_token(last="some-body"))
    wrong = ("invalid_token", "start_token")
    assert refusal_of(lambda: Query.new(Side.FOLLOWERS, "bob", token, 1)) == wrong


@given(st.text(min_size=1))
def test_no_text_is_mistaken_for_a_token(text):
    assert refusal_of(lambda: Query.new(Side.FOLLOWERS, "bob", text, 1))[0] == "invalid_token"
