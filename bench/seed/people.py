"""Many people, of whom a few are followed by many, and most by few."""

import random
from collections.abc import Sequence

from bench.seed.collection import Execute

SEED = 20261122
PROVIDER = "bench"  # nobody can sign in with it

USERS = """
    INSERT INTO users (username, name, email, created_at)
    SELECT unnest(%s), '', '', now()
"""
IDENTITIES = """
    INSERT INTO identities (provider, subject, login, user_id)
    SELECT %s, username, username, id FROM users WHERE username = ANY(%s)
"""
FOLLOWS = """
    INSERT INTO follows (follower, followed) SELECT unnest(%s), %s
    ON CONFLICT DO NOTHING
"""
VERSIONS = """
    INSERT INTO follow_versions (follower, version)
    SELECT follower, count(*) FROM follows WHERE follower = ANY(%s) GROUP BY follower
    ON CONFLICT (follower) DO UPDATE SET version = excluded.version
"""


def names(count: int, prefix: str = "bench-user") -> list[str]:
    """Return the names of so many people."""
    return [f"{prefix}-{number}" for number in range(count)]


def followers(people: Sequence[str]) -> dict[str, list[str]]:
    """Return who follows whom, the same every time: the nth in rank has 1/n of the first's."""
    chance = random.Random(SEED)
    found = {}
    for rank, name in enumerate(people, 1):
        others = [other for other in people if other != name]
        found[name] = chance.sample(others, round(len(others) / rank))
    return found


def add(execute: Execute, people: list[str]) -> None:
    """Let user_svc know people."""
    execute(USERS, people)
    execute(IDENTITIES, PROVIDER, people)


def follow(execute: Execute, graph: dict[str, list[str]]) -> None:
    """Let social_graph_svc know followers, by whom they follow."""
    for followed, who in graph.items():
        execute(FOLLOWS, who, followed)
    execute(VERSIONS, sorted({follower for who in graph.values() for follower in who}))
