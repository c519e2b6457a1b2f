"""The sentences of the social graph service, with a store in memory."""

import pytest
from nameko.testing.services import worker_factory

from chassis.errors import AlreadyExists, InvalidInput, NotFound
from social_graph_svc.service import SocialGraphService
from tests.fakes.social_graph_svc import FakeFollowStore


@pytest.fixture
def told():
    return []


@pytest.fixture
def service(told):
    store = FakeFollowStore(lambda *event: told.append(event))
    return worker_factory(SocialGraphService, follows=store, key_hours=24)


def test_a_person_follows_and_unfollows(service, told):
    assert service.follow("alice", "bob") is None
    assert service.get_followers("bob") == {"usernames": ["alice"], "next_token": ""}
    assert service.get_following("alice") == {"usernames": ["bob"], "next_token": ""}
    assert service.unfollow("alice", "bob") is None
    assert service.get_followers("bob") == {"usernames": [], "next_token": ""}
    assert [event[0] for event in told] == ["follow.added", "follow.removed"]


def test_what_cannot_be_is_refused(service, told):
    with pytest.raises(NotFound):
        service.unfollow("alice", "bob")
    with pytest.raises(InvalidInput):
        service.follow("alice", "alice")
    assert told == []
    service.follow("alice", "bob")
    with pytest.raises(AlreadyExists):
        service.follow("alice", "bob")


@pytest.mark.parametrize("text", ["no name", "ü", "-a", "a" * 65, "a\n"])
def test_a_text_that_is_no_name_is_nobody_one_follows_or_blocks(service, text):
    for call, code in ((service.unfollow, "not_following"), (service.unblock, "not_blocked")):
        with pytest.raises(NotFound) as refusal:
            call("alice", text)
        assert refusal.value.code == code


def test_pages_go_on_from_the_token(service):
    for name in ("a", "b", "c"):
        service.follow(name, "star")
    first = service.get_followers("star", page_size=2)
    assert first["usernames"] == ["a", "b"]
    second = service.get_followers("star", first["next_token"], 2)
    assert second == {"usernames": ["c"], "next_token": ""}
    with pytest.raises(InvalidInput):
        service.get_following("star", first["next_token"], 2)


@pytest.mark.parametrize("wrong", [0, 1001, -5, True, "10", 1.5, None, [1]])
def test_a_page_size_that_is_none_is_refused(service, wrong):
    with pytest.raises(InvalidInput) as refusal:
        service.get_followers("star", page_size=wrong)
    assert (refusal.value.code, refusal.value.field) == ("invalid_page_size", "page_size")


@pytest.mark.parametrize("wrong", [1, True, ["x"], {}])
def test_what_is_no_text_is_refused(service, wrong):
    for call in (
        lambda: service.follow("alice", wrong),
        lambda: service.unfollow(wrong, "bob"),
        lambda: service.get_followers(wrong),
        lambda: service.get_followers("bob", wrong),
    ):
        with pytest.raises(InvalidInput):
            call()


@pytest.mark.parametrize("nothing", ["", None])
def test_what_is_missing_is_named(service, nothing):
    for call, code in (
        (lambda: service.follow("alice", nothing), "missing_followed"),
        (lambda: service.follow(nothing, "bob"), "missing_username"),
        (lambda: service.get_following(nothing), "missing_username"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            call()
        assert refusal.value.code == code
    assert service.get_followers("bob", nothing)["usernames"] == []
