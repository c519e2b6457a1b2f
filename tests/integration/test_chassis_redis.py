"""The client for Valkey, on Valkey and on servers that are none."""

import socket
import time
from collections.abc import Iterator

import pytest
import redis.exceptions
from nameko import config
from nameko.exceptions import ConfigurationError
from redis import Redis

from chassis.redis import RedisStore, Script, connect
from embedded.ports import free_port


class Store:
    """The least that can be a store."""

    def __init__(self, client: Redis) -> None:
        self.client = client


@pytest.fixture
def store(valkey_url) -> Iterator[RedisStore]:
    config["REDIS_URL"] = valkey_url
    provider = RedisStore(Store)
    provider.setup()
    yield provider
    provider.stop()


@pytest.fixture
def silent_url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_store_is_one_for_all_workers(store):
    assert store.get_dependency(None) is store.get_dependency(None)
    assert store.get_dependency(None).client.ping()
    store.check()


def test_connection_that_died_costs_no_error(store):
    client = store.get_dependency(None).client
    assert client.ping()
    client.client_kill_filter(_type="normal", skipme=False)
    assert client.ping()


def test_server_may_come_later():
    config["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    provider = RedisStore(Store)
    provider.setup()
    with pytest.raises(redis.exceptions.ConnectionError):
        provider.check()


def test_silent_server_is_given_up_after_the_timeout(silent_url):
    began = time.monotonic()
    with (
        connect(silent_url, timeout_seconds=0.2) as client,
        pytest.raises(redis.exceptions.TimeoutError),
    ):
        client.ping()
    assert 0.2 <= time.monotonic() - began < 1


ECHO = "return {#ARGV, unpack(ARGV)}"


@pytest.fixture
def echo(store) -> Script:
    return Script(store.get_dependency(None).client, ECHO)


def test_script_gets_its_arguments_as_they_are(echo):
    given = ["", "x" * 70_000, "ü\r\n$3", 2**53]
    assert echo(*given) == [len(given), *map(str, given)]
    assert echo() == [0]


def test_script_that_the_server_does_not_know_is_given_to_it(store, echo):
    store.client.script_flush()
    assert echo("a") == [1, "a"]
    assert echo("b") == [1, "b"]


def test_script_on_a_connection_that_died_costs_no_error(store, echo):
    assert echo("a") == [1, "a"]
    store.client.client_kill_filter(_type="normal", skipme=False)
    assert echo("b") == [1, "b"]


def test_script_that_fails_says_so_and_leaves_its_connection_usable(store, echo):
    broken = Script(store.client, "return redis.error_reply('MISCONF no disk')")
    for _ in range(3):
        with pytest.raises(redis.exceptions.ResponseError, match="MISCONF"):
            broken()
        assert echo("a") == [1, "a"]


def test_script_gives_a_silent_server_up_and_is_not_asked_twice(silent_url):
    with (
        connect(silent_url, timeout_seconds=0.2) as client,
        pytest.raises(redis.exceptions.TimeoutError),
    ):
        Script(client, ECHO)("a")


@pytest.mark.parametrize("address", ["", "valkey", "http://127.0.0.1:6379"])
def test_address_that_is_none_stops_the_start(address):
    config["REDIS_URL"] = address
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        RedisStore(Store).setup()
