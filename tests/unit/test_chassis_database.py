"""The address of a database, and how its connections are asked for."""

import psycopg2
import pytest
from nameko import config
from nameko.exceptions import ConfigurationError

from chassis.database import postgres


@pytest.fixture
def uri():
    config.update(
        {
            "DB_POOL_SIZE": 7,
            "DB_STATEMENT_TIMEOUT_SECONDS": 2,
            "RPC_TIMEOUT_SECONDS": 2,
        }
    )

    def give(uri):
        config["DB_URIS"] = {"user_svc:Base": uri}

    return give


@pytest.fixture
def connect_arguments(monkeypatch):
    """Return a function that tells what psycopg2 would be called with."""
    asked = {}

    def connect(*args, **kwargs):
        asked.update(kwargs)
        raise ConnectionError

    def ask(engine):
        with pytest.raises(ConnectionError):
            engine.connect()
        return asked

    monkeypatch.setattr(psycopg2, "connect", connect)
    return ask


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "postgresql", "postgresql+psycopg"])
def test_every_postgresql_address_is_for_psycopg2(uri, scheme):
    uri(f"{scheme}://user_svc:secret@db.example:5432/user_svc")
    url = postgres.database_url("user_svc")
    assert url.drivername == "postgresql+psycopg2"
    assert (url.host, url.password) == ("db.example", "secret")


@pytest.mark.parametrize("wrong", ["nonsense", "sqlite://", "mysql://db/user_svc", "", None])
def test_any_other_address_stops_the_start_without_showing_it(uri, wrong):
    uri(wrong)
    with pytest.raises(ConfigurationError, match="user_svc:Base"):
        postgres.make_engine("user_svc")


def test_a_service_without_an_address_does_not_start(uri):
    uri("postgresql://db/user_svc")
    with pytest.raises(ConfigurationError, match="link_svc:Base"):
        postgres.make_engine("link_svc")


def test_every_wait_has_an_end(uri, connect_arguments):
    uri("postgresql://db/user_svc")
    engine = postgres.make_engine("user_svc")
    assert (engine.pool.size(), engine.pool.timeout()) == (7, 2)
    asked = connect_arguments(engine)
    assert asked["application_name"] == "user_svc"
    assert asked["connect_timeout"] == 2
    assert asked["tcp_user_timeout"] == 4000
    assert "statement_timeout=2000" in asked["options"]
    assert "lock_timeout=1000" in asked["options"]


def test_a_pooler_that_refuses_options_gets_none(uri, connect_arguments):
    uri("postgresql://pgbouncer/user_svc")
    config["DB_SET_TIMEOUTS"] = False
    assert "options" not in connect_arguments(postgres.make_engine("user_svc"))


def test_the_address_has_the_last_word(uri, connect_arguments):
    uri("postgresql://db/user_svc?application_name=mine&sslmode=require")
    asked = connect_arguments(postgres.make_engine("user_svc"))
    assert (asked["application_name"], asked["sslmode"]) == ("mine", "require")
