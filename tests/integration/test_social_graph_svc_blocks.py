"""Blocks, on the fake and in PostgreSQL, also while others follow."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from chassis.errors import ServiceError
from embedded.postgres import PostgresServer
from social_graph_svc import domain
from social_graph_svc.domain import Block, Follow, Profile, Relation, Side
from social_graph_svc.models import Base
from social_graph_svc.store import FollowStore, select_names
from tests.fakes.social_graph_svc import FakeFollowStore
from tests.integration import service_database
from tests.integration.follow_homes import Database, Memory

Store = FollowStore | FakeFollowStore
Home = Database | Memory


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    with service_database.migrated(postgres, "social_graph_svc", "blocks") as engine:
        yield engine


@pytest.fixture
def database(engine: Engine) -> Database:
    service_database.empty(engine, Base.metadata)
    return Database(engine)


@pytest.fixture(params=["memory", "database"])
def home(request: pytest.FixtureRequest) -> Home:
    return Memory() if request.param == "memory" else request.getfixturevalue("database")


@pytest.fixture
def store(home: Home) -> Store:
    return home.store()


def outcome(change: Callable[..., None], *arguments: object) -> str:
    try:
        change(*arguments)
    except ServiceError as refusal:
        return refusal.code
    return "done"


def test_block_ends_what_both_follow_and_is_told_as_that(home: Home, store: Store) -> None:
    store.add(Follow("mallory", "alice"))
    store.add(Follow("alice", "mallory"))
    store.add(Follow("mallory", "bob"))
    store.block(Block("alice", "mallory"))
    assert [event for event in home.events() if event[0] == "follow.removed"] == [
        ("follow.removed", "alice", {"followed": "mallory", "version": 2}),
        ("follow.removed", "mallory", {"followed": "alice", "version": 3}),
    ]
    assert store.profile("bob", "mallory") == Profile(Relation(), followers=0, following=1)
    assert store.profile("bob", "alice") == Profile(Relation(), followers=0, following=0)


def test_block_of_a_stranger_tells_nobody(home: Home, store: Store) -> None:
    store.block(Block("alice", "mallory"))
    assert home.events() == []


def test_nobody_follows_across_a_block(home: Home, store: Store) -> None:
    store.block(Block("alice", "mallory"))
    assert outcome(store.add, Follow("mallory", "alice")) == "no_such_user"
    assert outcome(store.add, Follow("alice", "mallory")) == "user_blocked"
    store.block(Block("mallory", "alice"))
    assert outcome(store.add, Follow("alice", "mallory")) == "no_such_user"
    assert home.events() == []
    store.unblock(Block("alice", "mallory"))
    store.unblock(Block("mallory", "alice"))
    store.add(Follow("mallory", "alice"))
    assert [event[2]["version"] for event in home.events()] == [1]


def test_block_is_kept_once(store: Store) -> None:
    store.block(Block("alice", "mallory"))
    assert outcome(store.block, Block("alice", "mallory")) == "already_blocked"
    assert outcome(store.unblock, Block("mallory", "alice")) == "not_blocked"
    store.unblock(Block("alice", "mallory"))
    assert outcome(store.unblock, Block("alice", "mallory")) == "not_blocked"


def test_relation_is_told_from_each_side(store: Store) -> None:
    store.add(Follow("bob", "alice"))
    store.block(Block("alice", "mallory"))
    assert store.relation("bob", "alice") == Relation(follows=True)
    assert store.relation("alice", "bob") == Relation()
    assert store.relation("alice", "mallory") == Relation(blocks=True)
    assert store.relation("mallory", "alice") == Relation(is_blocked=True)
    assert store.relation("", "alice") == Relation()
    assert store.profile("bob", "alice") == Profile(Relation(follows=True), 1, 0)


def test_blocked_people_are_listed_page_by_page(store: Store) -> None:
    people = [f"m{n:02}" for n in range(25)]
    for name in people:
        store.block(Block("alice", name))
        store.block(Block(name, "bob"))
    seen: list[str] = []
    token, more = "", True
    while more:
        query = domain.Query.new(Side.BLOCKED, "alice", token, 7)
        page = query.page(store.names(query))
        seen += page.usernames
        token, more = page.next_token, bool(page.next_token)
        if more:
            assert outcome(domain.Query.new, Side.BLOCKED, "bob", token, 7) == "invalid_token"
            assert outcome(domain.Query.new, Side.FOLLOWERS, "alice", token, 7) == "invalid_token"
    assert seen == people


# ---- what only PostgreSQL has


def test_block_and_follow_at_the_same_time_leave_no_follow(database: Database) -> None:
    """Each pair in both directions; whoever is last, nobody who is blocked follows."""
    for n in range(30):
        pair = f"a{n}", f"b{n}"
        changes = [
            (database.store().block, Block(*pair)),
            (database.store().add, Follow(*pair[::-1])),
            (database.store().add, Follow(*pair)),
        ]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda change: outcome(*change), changes))
        assert broken(database) == 0


def test_any_changes_at_once_keep_blocks_and_follows_apart(database: Database) -> None:
    """Without deadlock, and with a history of events that explains the follows."""
    people = ["alice", "bob", "mallory"]

    def work(seed: int) -> None:
        chance, store = random.Random(seed), database.store()
        for _ in range(40):
            pair = chance.choice(list(permutations(people, 2)))
            change = chance.choice([store.add, store.add, store.remove, store.block, store.unblock])
            blocks = change in (store.block, store.unblock)
            outcome(change, Block(*pair) if blocks else Follow(*pair))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert broken(database) == 0
    following: set[tuple[str, str]] = set()
    versions = dict.fromkeys(people, 0)
    for kind, follower, data in database.events():
        assert data["version"] == versions[follower] + 1
        versions[follower] += 1
        pair = follower, data["followed"]
        assert (pair in following) == (kind == "follow.removed")
        following ^= {pair}
    with database.engine.connect() as connection:
        rows = connection.execute(text("SELECT follower, followed FROM follows"))
        assert {tuple(row) for row in rows} == following


def broken(database: Database) -> int:
    """Count the follows that a block forbids."""
    with database.engine.connect() as connection:
        found = connection.scalar(
            text(
                "SELECT count(*) FROM follows JOIN blocks ON (blocker, blocked)"
                " IN ((follower, followed), (followed, follower))"
            )
        )
    return int(found or 0)


def test_page_of_the_blocked_comes_from_an_index(database: Database) -> None:
    query = domain.Query(Side.BLOCKED, "alice", "m", 1000)
    statement = select_names(query.side, query.size + 1)
    statement = statement.params(username=query.username, after=query.after)
    plan = statement.compile(database.engine, compile_kwargs={"literal_binds": True})
    with database.engine.connect() as connection:
        connection.execute(text("SET enable_seqscan = off; SET enable_bitmapscan = off"))
        told = "\n".join(connection.scalars(text(f"EXPLAIN {plan}")))
    assert "Index Only Scan" in told
    assert "Sort" not in told


def test_database_repeats_that_nobody_blocks_themselves(database: Database) -> None:
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(text("INSERT INTO blocks VALUES ('alice', 'alice')"))
