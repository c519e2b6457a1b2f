"""PostgreSQL over TLS by its address alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nameko import config
from sqlalchemy import Engine, text

from chassis.database.postgres import make_engine
from chassis.errors import Unavailable
from embedded.postgres import PostgresServer
from embedded.roles import Database
from embedded.server import HOST
from tests.certificates import Authority, Certificate
from tests.integration import tls_servers
from tests.integration.test_chassis_database_green import Driver


@pytest.fixture(scope="module")
def authority(server_folder: Path) -> Authority:
    return Authority(server_folder, "databases-authority")


@contextmanager
def behind_a_door(postgres: PostgresServer, shown: Certificate, _: Path) -> Iterator[int]:
    with tls_servers.Door(postgres.port, shown, asked_first=True) as door:
        yield door.port


@contextmanager
def by_itself(_: PostgresServer, shown: Certificate, folder: Path) -> Iterator[int]:
    programs = tls_servers.postgres_with_tls()
    if programs is None:
        pytest.skip("no PostgreSQL with OpenSSL was found: its own TLS is left out")
    server = tls_servers.SecurePostgres(folder / "secure-postgres", shown, programs)
    with tls_servers.running(server) as port:
        server.ensure_database(Database.of("user_svc"))
        yield port


@pytest.fixture(scope="module", params=[behind_a_door, by_itself])
def port(
    request: pytest.FixtureRequest,
    postgres: PostgresServer,
    authority: Authority,
    server_folder: Path,
) -> Iterator[int]:
    with request.param(postgres, authority.issue("database", HOST), server_folder) as port:
        yield port


def uri(port: int, ca: str) -> str:
    return f"postgresql://user_svc@{HOST}:{port}/user_svc?sslmode=verify-full&sslrootcert={ca}"


def engine_at(address: str) -> Engine:
    config.update(
        {
            "DB_URIS": {"user_svc:Base": address},
            "DB_POOL_SIZE": 2,
            "DB_STATEMENT_TIMEOUT_SECONDS": 2,
            "RPC_TIMEOUT_SECONDS": 2,
        }
    )
    return make_engine("user_svc")


def test_an_address_that_verifies_is_enough(port: int, authority: Authority) -> None:
    engine = engine_at(uri(port, authority.ca))
    with engine.connect() as connection:
        plain: Any = connection.connection.dbapi_connection
        assert plain.info.ssl_in_use
        assert connection.scalar(text("SELECT repeat('x', 1000000)")) == 1_000_000 * "x"
    engine.dispose()


def test_a_green_service_shares_its_time_over_tls_too(port: int, authority: Authority) -> None:
    driver = Driver(uri(port, authority.ca))
    assert driver.ask("query")[0] == "ok"
    assert driver.ask("sleep", 0.1)[0] == "Deadline"
    assert driver.ask("both")[0] == "ok"
    driver.stop()


def test_a_certificate_of_somebody_else_is_refused(
    port: int, server_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Authority(server_folder, "stranger-authority")
    with caplog.at_level(logging.WARNING), pytest.raises(Unavailable):
        engine_at(uri(port, stranger.ca)).connect()
    assert "certificate verify failed" in caplog.text


def test_a_certificate_of_another_name_is_refused(
    postgres: PostgresServer, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    other = authority.issue("other", "db.example.com")
    with (
        tls_servers.Door(postgres.port, other, asked_first=True) as door,
        caplog.at_level(logging.WARNING),
        pytest.raises(Unavailable),
    ):
        engine_at(uri(door.port, authority.ca)).connect()
    assert "does not match host name" in caplog.text


def test_a_server_without_tls_is_refused(
    postgres: PostgresServer, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(Unavailable):
        engine_at(uri(postgres.port, authority.ca)).connect()
    assert "server does not support SSL" in caplog.text
