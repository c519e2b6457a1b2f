"""What a system still has of somebody: in every row, every key of Valkey and every stream."""

from collections.abc import Iterator
from typing import Any

import nats
import psycopg2
from redis import Redis

from tests import loops
from tests.e2e.system import System

SERVICES = ("link_svc", "social_graph_svc", "user_svc")


def of(system: System, *words: str) -> list[str]:
    """Return the places that hold one of these words, each with what it holds."""
    return [
        f"{place}: {text}"
        for place, text in (*rows(system), *keys(system), *messages(system))
        if any(word in text for word in words)
    ]


def rows(system: System) -> Iterator[tuple[str, str]]:
    """Yield every row of every table, as text."""
    port = system.port("EMBEDDED.POSTGRES_PORT")
    for service in SERVICES:
        with psycopg2.connect(
            f"postgresql://{service}_owner@127.0.0.1:{port}/{service}"
        ) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (table,) in cursor.fetchall():
                cursor.execute(f"SELECT t::text FROM {table} AS t")
                for (text,) in cursor.fetchall():
                    yield f"{service}.{table}", text
        connection.close()


def keys(system: System) -> Iterator[tuple[str, str]]:
    """Yield every key of Valkey, and what it holds."""
    read: dict[str, Any] = {
        "string": Redis.get,
        "hash": Redis.hgetall,
        "zset": lambda valkey, key: valkey.zrange(key, 0, -1),
        "set": Redis.smembers,
        "list": lambda valkey, key: valkey.lrange(key, 0, -1),
    }
    port = system.port("EMBEDDED.VALKEY_PORT")
    # A feed is packed: its numbers are no text, but what is text in it is found.
    with Redis(port=port, decode_responses=True, encoding_errors="backslashreplace") as valkey:
        for key in valkey.scan_iter(count=1000):
            kind = valkey.type(key)
            yield "valkey", f"{key} {read[kind](valkey, key) if kind in read else ''}"


def messages(system: System) -> list[tuple[str, str]]:
    """Return every message of every stream, with its subject and headers."""
    port = system.port("EMBEDDED.NATS_PORT")

    async def read() -> list[tuple[str, str]]:
        client = await nats.connect(f"nats://127.0.0.1:{port}", connect_timeout=5)
        found: list[tuple[str, str]] = []
        try:
            js = client.jetstream(timeout=5)
            for stream in await js.streams_info():
                for sequence in await _sequences(js, stream):
                    message = await js.get_msg(stream.config.name, sequence)
                    body = (message.data or b"").decode(errors="replace")
                    text = f"{message.subject} {message.headers} {body}"
                    found.append((str(stream.config.name), text))
        finally:
            await client.close()
        return found

    return loops.run(read())


async def _sequences(js: Any, stream: Any) -> list[int]:
    """Return the sequences at which a stream has messages: some may be deleted in between."""
    state = (await js.stream_info(stream.config.name)).state
    found: list[int] = []
    sequence = state.first_seq
    while len(found) < state.messages:
        message = await js.get_msg(stream.config.name, sequence, ">", next=True)
        found.append(message.seq)
        sequence = message.seq + 1
    return found
