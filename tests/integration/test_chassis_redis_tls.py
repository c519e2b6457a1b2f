"""Valkey or Redis over TLS by its address alone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.redis import connect
from embedded.server import HOST
from embedded.valkey import ValkeyServer
from tests.certificates import Authority, Certificate
from tests.integration import tls_servers
from tests.processes import ROOT

ASK_TWENTY_TIMES = """
import eventlet
eventlet.monkey_patch()
import sys
from chassis.redis import connect
client = connect(sys.argv[1])
for answer in eventlet.GreenPool(2).imap(lambda _: client.ping(), range(20)):
    print(answer)
"""


@pytest.fixture(scope="module")
def authority(server_folder: Path) -> Authority:
    return Authority(server_folder, "feeds-authority")


@contextmanager
def behind_a_door(valkey: ValkeyServer, shown: Certificate, _: Path) -> Iterator[int]:
    with tls_servers.Door(valkey.port, shown) as door:
        yield door.port


@contextmanager
def by_itself(_: ValkeyServer, shown: Certificate, folder: Path) -> Iterator[int]:
    program = tls_servers.redis_with_tls()
    if program is None:
        pytest.skip("no Redis or Valkey with OpenSSL was found: its own TLS is left out")
    with tls_servers.running(
        tls_servers.SecureRedis(folder / "secure-redis", shown, program)
    ) as port:
        yield port


@pytest.fixture(scope="module", params=[behind_a_door, by_itself])
def port(
    request: pytest.FixtureRequest,
    valkey_server: ValkeyServer,
    authority: Authority,
    server_folder: Path,
) -> Iterator[int]:
    with request.param(valkey_server, authority.issue("feeds", HOST), server_folder) as port:
        yield port


def url(port: int, ca: str) -> str:
    return f"rediss://{HOST}:{port}/0?ssl_ca_certs={ca}"


def test_an_address_is_enough(port: int, authority: Authority) -> None:
    with connect(url(port, authority.ca)) as client:
        client.set("tls", 1_000_000 * "x")
        assert client.get("tls") == 1_000_000 * "x"
        client.delete("tls")


def test_a_green_service_reaches_it_too(port: int, authority: Authority) -> None:
    asking = [sys.executable, "-W", "ignore", "-c", ASK_TWENTY_TIMES, url(port, authority.ca)]
    answer = subprocess.run(asking, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert answer.stdout == "True\n" * 20, answer.stderr


def test_a_certificate_of_somebody_else_is_refused(port: int, server_folder: Path) -> None:
    stranger = Authority(server_folder, "stranger-authority")
    with (
        connect(url(port, stranger.ca)) as client,
        pytest.raises(RedisConnectionError, match="certificate verify failed"),
    ):
        client.ping()


def test_a_certificate_of_another_name_is_refused(
    valkey_server: ValkeyServer, authority: Authority
) -> None:
    other = authority.issue("other", "feeds.example.com")
    with (
        tls_servers.Door(valkey_server.port, other) as door,
        connect(url(door.port, authority.ca)) as client,
        pytest.raises(RedisConnectionError, match="certificate verify failed"),
    ):
        client.ping()
