"""The client for Valkey, on Valkey and on servers that are none."""

import socket
import time
from collections.abc import Iterator

import pytest
import redis.exceptions
from nameko import config
from nameko.exceptions import ConfigurationError
from redis import Redis

from chassis.redis import RedisStore, connect
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


@pytest.mark.parametrize("address", ["", "valkey", "http://127.0.0.1:6379"])
def test_address_that_is_none_stops_the_start(address):
    config["REDIS_URL"] = address
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        RedisStore(Store).setup()
