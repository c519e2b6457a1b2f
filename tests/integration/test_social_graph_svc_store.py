"""One suite for the store of follows, in memory and in PostgreSQL; then the latter's own."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis.errors import AlreadyExists, NotFound, ServiceError
from social_graph_svc import domain
from social_graph_svc.domain import Follow, Side
from social_graph_svc.models import Base, FollowRow
from social_graph_svc.store import FollowStore, select_names
from tests.integration import pgbouncer, service_database
from tests.integration.follow_homes import Database, Memory


@pytest.fixture(scope="module")
def engine(postgres):
    with service_database.migrated(postgres, "social_graph_svc", "follow_store") as engine:
        yield engine


@pytest.fixture
def database(engine):
    service_database.empty(engine, Base.metadata)
    return Database(engine)


@pytest.fixture
def pooled(database, postgres, server_folder):
    with pgbouncer.before(postgres, server_folder, database.engine) as engine:
        yield Database(engine)


@pytest.fixture(params=["memory", "database", pytest.param("pooled", marks=pytest.mark.long)])
def home(request):
    return Memory() if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture
def store(home):
    return home.store()


def page(store, side, username, token="", size=10):
    query = domain.Query.new(side, username, token, size)
    return query.page(store.names(query))


def names(store, side, username):
    return list(page(store, side, username, size=1000).usernames)


def walk(store, side, username, size):
    """Yield the names of all pages; the list may change in between."""
    token = ""
    while True:
        found = page(store, side, username, token, size)
        yield from found.usernames
        token = found.next_token
        if not token:
            return


# ---- the suite of both


def test_a_follow_is_seen_from_both_ends(store):
    store.add(Follow("alice", "bob"))
    assert names(store, Side.FOLLOWING, "alice") == ["bob"]
    assert names(store, Side.FOLLOWERS, "bob") == ["alice"]
    assert names(store, Side.FOLLOWING, "bob") == names(store, Side.FOLLOWERS, "alice") == []


def test_following_twice_is_refused(home, store):
    store.add(Follow("alice", "bob"))
    with pytest.raises(AlreadyExists) as refusal:
        store.add(Follow("alice", "bob"))
    assert (refusal.value.code, refusal.value.field) == ("already_following", "followed")
    assert len(home.events()) == 1


def test_unfollowing_nobody_is_refused(home, store):
    store.add(Follow("bob", "alice"))
    with pytest.raises(NotFound) as refusal:
        store.remove(Follow("alice", "bob"))
    assert (refusal.value.code, refusal.value.field) == ("not_following", "followed")
    assert len(home.events()) == 1


def test_each_change_is_told_with_its_number(home, store):
    store.add(Follow("alice", "bob"))
    store.add(Follow("eve", "bob"))
    store.remove(Follow("alice", "bob"))
    store.add(Follow("alice", "eve"))
    assert home.events() == [
        ("follow.added", "alice", {"followed": "bob", "version": 1}),
        ("follow.added", "eve", {"followed": "bob", "version": 1}),
        ("follow.removed", "alice", {"followed": "bob", "version": 2}),
        ("follow.added", "alice", {"followed": "eve", "version": 3}),
    ]


def test_names_are_compared_exactly_and_sorted_by_code_point(store):
    people = ["b", "B", "a-b", "a_b", "ab", "aB", "0", "a1"]
    for name in people:
        store.add(Follow(name, "star"))
    assert names(store, Side.FOLLOWERS, "star") == sorted(people)
    assert names(store, Side.FOLLOWERS, "Star") == []


@pytest.mark.parametrize("size", [1, 3, 10, 25, 26])
def test_pages_hold_everyone_once(store, size):
    people = [f"fan{n:02}" for n in random.Random(1).sample(range(25), 25)]
    for name in people:
        store.add(Follow(name, "star"))
    assert list(walk(store, Side.FOLLOWERS, "star", size)) == sorted(people)
    assert len(page(store, Side.FOLLOWERS, "star", size=size).usernames) == min(size, 25)


def test_pages_lose_nobody_while_others_come_and_go(store):
    for n in range(0, 40, 2):
        store.add(Follow(f"fan{n:02}", "star"))
    seen = []
    for turn, name in enumerate(walk(store, Side.FOLLOWERS, "star", 3)):
        seen.append(name)
        store.add(Follow(f"fan{2 * turn + 1:02}", "star"))
        if turn == 10:
            store.remove(Follow("fan00", "star"))
    assert set(seen) >= {f"fan{n:02}" for n in range(0, 40, 2)}
    assert len(seen) == len(set(seen))


# ---- what only PostgreSQL has


def outcome(change, follow):
    try:
        change(follow)
    except ServiceError as refusal:
        return refusal.code
    return "done"


def test_many_follows_of_one_pair_at_once_are_one(database):
    with ThreadPoolExecutor(20) as pool:
        stores = [database.store() for _ in range(20)]
        follow = Follow("alice", "bob")
        said = list(pool.map(lambda store: outcome(store.add, follow), stores))
    assert sorted(said) == ["already_following"] * 19 + ["done"]
    assert database.events() == [("follow.added", "alice", {"followed": "bob", "version": 1})]


def test_changes_at_once_leave_a_history_that_explains_the_outcome(database):
    def work(seed):
        chance, store = random.Random(seed), database.store()
        said = []
        for _ in range(30):
            follow = Follow("alice", chance.choice(["bob", "eve", "mallory"]))
            said.append(outcome(chance.choice([store.add, store.remove]), follow))
        return said

    with ThreadPoolExecutor(8) as pool:
        said = [code for codes in pool.map(work, range(8)) for code in codes]
    events = database.events()
    assert said.count("done") == len(events) > 0
    assert [data["version"] for _, _, data in events] == list(range(1, len(events) + 1))
    following = set()
    for kind, _, data in events:
        assert (data["followed"] in following) == (kind == "follow.removed")
        following ^= {data["followed"]}
    assert names(database.store(), Side.FOLLOWING, "alice") == sorted(following)


def test_the_follow_and_its_event_are_one_transaction(engine, database):
    def broken(*event):
        raise RuntimeError("no event, no follow")

    with pytest.raises(RuntimeError):
        FollowStore(Session(engine), broken).add(Follow("alice", "bob"))
    assert names(database.store(), Side.FOLLOWERS, "bob") == []
    database.store().add(Follow("alice", "bob"))
    assert database.events()[0][2]["version"] == 1


@pytest.mark.parametrize("side", Side)
def test_a_page_comes_from_an_index(database, side):
    query = domain.Query(side, "star", "fan", 1000)
    statement = select_names(query.side, query.size + 1)
    statement = statement.params(username=query.username, after=query.after)
    plan = statement.compile(database.engine, compile_kwargs={"literal_binds": True})
    with database.engine.connect() as connection:
        connection.execute(text("SET enable_seqscan = off; SET enable_bitmapscan = off"))
        told = "\n".join(connection.scalars(text(f"EXPLAIN {plan}")))
    assert "Index Only Scan" in told
    assert "Sort" not in told


def test_the_database_repeats_the_rules(database):
    with database.engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(FollowRow).values(follower="a", followed="a"))
