"""All that the services ask of their databases: each operation of each store, and the relay's.

The same statements in the same order, with the same rows, on every new database.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import link_svc.models
import social_graph_svc.models
import user_svc.models
from chassis.database import Store
from chassis.database.idempotency import Write
from chassis.errors import ServiceError
from chassis.outbox import EventDispatcher
from chassis.outbox.rows import OutboxRows
from link_svc import schemas
from link_svc.listing import Order, Position, Query
from link_svc.store import LinkStore
from link_svc.visibility import Audience, Visibility
from social_graph_svc import domain as follows
from social_graph_svc.store import FollowStore
from user_svc import domain as users
from user_svc import tokens
from user_svc.store import UserStore

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEFORE_ALL = Position(datetime(2000, 1, 1, tzinfo=UTC), 0)
AFTER_ALL = Position(datetime(3000, 1, 1, tzinfo=UTC), 0)


def refused(code: str, act: Callable[..., Any], *arguments: Any) -> None:
    with pytest.raises(ServiceError) as refusal:
        act(*arguments)
    assert refusal.value.code == code


def check(store: Any, models: Any, engine: Engine) -> None:
    """Ask what readiness asks."""
    provider = Store(store, models.Base)
    provider.engine = engine
    provider.check()


def drain(engine: Engine, models: Any, expected: int) -> None:
    """Take the outbox's rows and delete them, as the relay does."""
    events, leases = models.OutboxEvent.__table__, models.OutboxLease.__table__
    rows = OutboxRows(engine, events, leases, "events")
    taken = [row.id for row in rows.take(frozenset({"somebody-else"}))]
    assert len(taken) == expected
    rows.finish(taken[:1], release=False)
    rows.finish(taken[1:], release=True)
    assert not rows.take(frozenset())


def use_links(engine: Engine) -> None:
    models = link_svc.models
    check(LinkStore, models, engine)
    dispatcher = EventDispatcher("events", models.OutboxEvent, models.OutboxLease)
    with Session(engine, expire_on_commit=False) as session:
        store = LinkStore(session, dispatcher.dispatch_for(session))
        news = [
            schemas.new_link("alice", {"url": f"https://example.com/{n}", "tags": ["a", f"t{n}"]})
            for n in range(3)
        ]
        for new in news:
            assert store.add(new, 3).title
        refused("link_exists", store.add, news[0], 9)
        use_keys(store)
        refused("too_many_links", store.add, schemas.new_link("alice", {"url": "ftp://h/"}), 3)
        wish = {"url": news[0].key.url, "title": "T", "add_tags": ["b"], "remove_tags": ["a"]}
        assert store.update(schemas.changes("alice", wish)).tags == ("b", "t0")
        refused("no_such_link", store.update, schemas.changes("bob", wish))
        assert store.delete(news[2].key).url == news[2].key.url
        refused("no_such_link", store.delete, news[2].key)
        for tags in (frozenset[str](), frozenset({"a"}), frozenset({"a", "t1"})):
            for order, after in ((Order.OLDEST, BEFORE_ALL), (Order.NEWEST, AFTER_ALL)):
                for position in (None, after):
                    query = Query("alice", tags=tags, order=order, after=position)
                    assert len(store.page(query).links) == 1 + (not tags)
        use_visibility(store)
    drain(engine, models, expected=8)


def use_keys(store: LinkStore) -> None:
    """Add for keys; what is added goes again."""
    new = schemas.new_link("alice", {"url": "https://example.com/once"})
    write = Write.of("alice", "k", "add_link", new.key.url)
    first = store.add_once(write, new, 9, 1)
    assert store.add_once(write, new, 9, 1) == first
    refused("link_exists", store.add_once, Write.of("alice", "l", "add_link", ""), new, 9, 1)
    refused("idempotency_key_reused", store.add_once, Write.of("alice", "k", "", ""), new, 9, 1)
    assert isinstance(store.add_all([new], 9)[0], ServiceError)
    store.delete(new.key)


def use_visibility(store: LinkStore) -> None:
    store.set_default_visibility("carol", Visibility.PRIVATE)
    assert store.default_visibility("carol") is Visibility.PRIVATE
    for n in range(2):
        link = {"url": f"https://example.com/{n}", "tags": ["a", "b"]}
        store.add(schemas.new_link("carol", link), 3)  # nobody is told
    wish = {"url": "https://example.com/0", "visibility": "public"}
    assert store.update(schemas.changes("carol", wish)).visibility is Visibility.PUBLIC
    for audience, seen in ((Audience.OWNER, 2), (Audience.FOLLOWER, 1), (Audience.ANYONE, 1)):
        assert store.count("carol", audience) == seen
        for tags in (frozenset[str](), frozenset({"a"}), frozenset({"a", "b"})):
            query = Query("carol", tags=tags, audience=audience, after=BEFORE_ALL)
            assert len(store.page(query).links) == seen


def use_follows(engine: Engine) -> None:
    models = social_graph_svc.models
    check(FollowStore, models, engine)
    dispatcher = EventDispatcher("events", models.OutboxEvent, models.OutboxLease)
    with Session(engine, expire_on_commit=False) as session:
        store = FollowStore(session, dispatcher.dispatch_for(session))
        for follower in ("alice", "carol"):
            store.add(follows.Follow(follower, "bob"))
        refused("already_following", store.add, follows.Follow("alice", "bob"))
        for side, username in ((follows.Side.FOLLOWERS, "bob"), (follows.Side.FOLLOWING, "alice")):
            for after in ("", "a"):
                assert store.names(follows.Query(side, username, after, 1))
        store.remove(follows.Follow("carol", "bob"))
        refused("not_following", store.remove, follows.Follow("carol", "bob"))
        store.block(follows.Block("bob", "alice"))
        refused("already_blocked", store.block, follows.Block("bob", "alice"))
        refused("no_such_user", store.add, follows.Follow("alice", "bob"))
        assert store.names(follows.Query(follows.Side.BLOCKED, "bob", "", 1))
        assert store.relation("alice", "bob").is_blocked
        assert store.profile("bob", "alice").relation.blocks
        store.block(follows.Block("bob", "carol"))
        store.unblock(follows.Block("bob", "carol"))
        refused("not_blocked", store.unblock, follows.Block("bob", "carol"))
    drain(engine, models, expected=4)


def use_users(engine: Engine) -> None:
    models = user_svc.models
    check(UserStore, models, engine)
    dispatcher = EventDispatcher("events", models.OutboxEvent, models.OutboxLease)
    with Session(engine, expire_on_commit=False) as session:
        store = UserStore(session, dispatcher.dispatch_for(session))
        sign_in_and_out(store)
        use_tokens(store)
        remove_a_user(store)
    drain(engine, models, expected=2)


def sign_in_and_out(store: UserStore) -> None:
    bob = users.Identity("github", "1", "bob", "Bob", "bob@example.com")
    first, second, third = (a_token(n, NOW + timedelta(days=31 * n)) for n in range(3))
    assert store.sign_in(bob, first, most=9).username == "bob"
    assert store.verify(first.hash, NOW).username == "bob"
    assert store.verify(first.hash, NOW + tokens.USED_AGAIN_AFTER).username == "bob"
    other = users.Identity("github", "2", "bob")
    assert store.sign_in(other, second, most=9).username == "bob-2"
    renamed = users.Identity("github", "1", "robert", "Robert", "r@example.com")
    assert store.sign_in(renamed, third, most=9) == users.User("bob", "Robert", "r@example.com")
    refused("access_denied", store.verify, first.hash, NOW)  # it had expired: forgotten
    assert store.get("BOB").name == "Robert"
    refused("no_such_user", store.get, "nobody")
    store.revoke(second.hash)
    refused("access_denied", store.verify, second.hash, NOW)


def use_tokens(store: UserStore) -> None:
    """Make personal tokens; none is left, because the release before 2 knows of none."""
    expires_at = NOW + timedelta(days=1)
    token = tokens.AccessToken(
        f"dlk_{3:043}",
        NOW,
        expires_at,
        tokens.Kind.PERSONAL,
        "ci",
        id=uuid.UUID(int=3),
        scopes=(tokens.Scope.READ,),
    )
    store.add_token("bob", token, 1)
    refused("too_many_tokens", store.add_token, "bob", token, 1)
    assert [kept.name for kept in store.get_tokens("bob", NOW)] == ["", "ci"]
    assert store.delete_token("bob", token.id) is tokens.Kind.PERSONAL
    refused("no_such_token", store.delete_token, "bob", token.id)
    assert store.delete_tokens("bob-2", tuple(tokens.Kind)) == 0
    assert store.profile("bob").identities == (("github", "robert"),)


def remove_a_user(store: UserStore) -> None:
    removal = store.remove("bob-2", NOW)
    assert store.tell_again(NOW + users.TELL_AGAIN_AFTER) == 1
    for service in users.KEEPERS:
        assert store.removal(removal)
        store.confirm(removal, service)
    assert store.removal(removal) is None


def a_token(number: int, now: datetime) -> tokens.AccessToken:
    expires_at = now + timedelta(days=30)
    return tokens.AccessToken(f"dlk_{number:043}", now, expires_at, id=uuid.UUID(int=number))


USES: dict[str, Callable[[Engine], None]] = {
    "link_svc": use_links,
    "social_graph_svc": use_follows,
    "user_svc": use_users,
}
