"""PostgreSQL, waited for no longer than agreed, with one clear error when it is away."""

import logging
import math
from typing import Any

import eventlet
import psycopg2
from eventlet.hubs import trampoline
from nameko.exceptions import ConfigurationError
from psycopg2 import extensions
from sqlalchemy import URL, Engine, event, exc, make_url
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from chassis import config
from chassis.database.dialect import engine_at
from chassis.database.errors import ERRORS, KINDS, Translator, unavailable
from chassis.outage import Outage
from chassis.telemetry import metrics

_log = logging.getLogger(__name__)

_IN_USE = metrics.Watched("db_connections_in_use", "Database connections that are in use.")
_MOST = metrics.Watched("db_connections_max", "Database connections that may be in use at a time.")


def database_url(service: str, addresses: str = "DB_URIS") -> URL:
    """Return the address of a service's database; raise ConfigurationError if it is none."""
    key = f"{addresses}.{service}:Base"
    try:
        url = make_url(config.text(key))
    except exc.ArgumentError:
        raise ConfigurationError(f"{key} is not a database address") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationError(f"{key} must begin with postgresql://")
    # psycopg2 whatever the address says: eventlet can make no other driver green.
    return url.set(drivername="postgresql+psycopg2")


def place(url: URL) -> str:
    """Return what people call a database, without its password."""
    user = f", as user {url.username}" if url.username else ""
    return f"the database {url.database} at {url.host}:{url.port or 5432}{user}"


def make_engine(service: str, outage: Outage | None = None) -> Engine:
    """Return an engine whose every wait has an end, and which says once what it waits for."""
    statement_seconds = config.positive("DB_STATEMENT_TIMEOUT_SECONDS")
    _bound_green_waits(statement_seconds + 1)
    url = database_url(service)
    engine = engine_at(
        url,
        poolclass=_Pool,
        pool_size=config.positive_integer("DB_POOL_SIZE"),
        max_overflow=0,
        pool_timeout=config.positive("RPC_TIMEOUT_SECONDS"),
        pool_pre_ping=True,
        pool_use_lifo=True,  # a quiet service keeps a few warm connections, the rest age
        pool_recycle=1800,
        hide_parameters=True,  # tokens and e-mail addresses stay out of tracebacks
        connect_args={
            name: value
            for name, value in _connect_args(service, statement_seconds).items()
            if name not in url.query
        },
    )
    _offer_numbers(service, engine)
    translator = Translator(service, outage or Outage(place(url)))
    event.listen(engine, "handle_error", translator.translate)
    engine.dialect.translator = translator  # type: ignore[attr-defined]
    return engine


def _offer_numbers(service: str, engine: Engine) -> None:
    def pool() -> _Pool:  # not always the same
        return engine.pool  # type: ignore[return-value]

    pool().service = service
    _IN_USE.watch(service, read=lambda: pool().checkedout())
    _MOST.watch(service, read=lambda: pool().size())
    for kind in KINDS:
        ERRORS.labels(service, kind)


def _connect_args(service: str, statement_seconds: float) -> dict[str, Any]:
    arguments = {
        "application_name": service,
        "connect_timeout": math.ceil(statement_seconds),
        "tcp_user_timeout": int(2000 * statement_seconds),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    if config.boolean("DB_SET_TIMEOUTS", default=True):
        # Sent with the connection, they cost no round trip.
        milliseconds = int(1000 * statement_seconds)
        arguments["options"] = (
            f"-c statement_timeout={milliseconds}"
            f" -c lock_timeout={milliseconds // 2}"
            f" -c idle_in_transaction_session_timeout={2 * milliseconds}"
        )
    return arguments


class _Pool(QueuePool):
    """A pool whose exhaustion is an answer like any other of a database that is too busy."""

    service = ""

    def recreate(self) -> "_Pool":
        pool: _Pool = super().recreate()  # type: ignore[assignment]
        pool.service = self.service
        return pool

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except exc.TimeoutError as error:
            _log.warning("no database connection became free: %s", error)
            ERRORS.labels(self.service, "pool").inc()
            raise unavailable() from error


# SQLAlchemy tells there, under INFO, of each connection that an outage costs.
logging.getLogger(f"{__name__}.{_Pool.__name__}").setLevel(logging.WARNING)


def _bound_green_waits(seconds: float) -> None:
    """Give green psycopg2 a time-out; eventlet's own callback (0.41.3) waits for ever.

    It holds where the worker's deadline does not: in the relay, in a health check, and in the
    ROLLBACK that follows a deadline. psycopg2 closes the connection whose wait has failed; but one
    that is still being made (2.9) only with its last reference, and of those a frozen server makes
    more and more: so the error keeps none in its traceback.
    """
    if extensions.get_wait_callback() is None:  # not monkey patched: psycopg2 blocks, as in tests
        return

    def wait(connection: Any) -> None:
        late = psycopg2.OperationalError(f"no answer in {seconds:g} s")
        try:
            with eventlet.Timeout(seconds, late):
                _wait_for(connection)
        except BaseException as error:
            del connection
            raise error.with_traceback(None)  # noqa: B904

    extensions.set_wait_callback(wait)


def _wait_for(connection: Any) -> None:
    while (state := connection.poll()) != extensions.POLL_OK:
        trampoline(
            connection.fileno(),
            read=state == extensions.POLL_READ,
            write=state == extensions.POLL_WRITE,
        )
