"""PostgreSQL, waited for no longer than agreed, with one clear error when it is away."""

import logging
import math
from typing import Any

import eventlet
import psycopg2
from eventlet.hubs import trampoline
from nameko.exceptions import ConfigurationError
from psycopg2 import extensions
from sqlalchemy import URL, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from chassis import config, metrics
from chassis.errors import Unavailable

_log = logging.getLogger(__name__)

_IN_USE = metrics.Watched("db_connections_in_use", "Database connections that are in use.")
_MOST = metrics.Watched("db_connections_max", "Database connections that may be in use at a time.")
_ERRORS = metrics.counter(
    "db_errors",
    "Errors of the database by kind: away, pool (none of our connections was free), busy (a "
    "time-out, a lock, or no room), constraint, other.",
    "kind",
)
_KINDS = ("away", "pool", "busy", "constraint", "other")

# Table or column not there: the new version runs already, its migration has not yet.
_NOT_MIGRATED = frozenset({"42P01", "42703"})
_READ_ONLY = "25006"  # what a standby says until it has been promoted
_LIMIT_OF_POSTGRES = "54"  # psycopg2 calls these operational, but a second try changes nothing


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


def make_engine(service: str) -> Engine:
    """Return an engine whose every wait has an end."""
    statement_seconds = config.positive("DB_STATEMENT_TIMEOUT_SECONDS")
    _bound_green_waits(statement_seconds + 1)
    url = database_url(service)
    engine = create_engine(
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
    translator = _Translator(service)
    event.listen(engine, "handle_error", translator.translate)
    event.listen(engine, "connect", translator.note_connection)
    return engine


def _offer_numbers(service: str, engine: Engine) -> None:
    def pool() -> _Pool:  # not always the same
        return engine.pool  # type: ignore[return-value]

    pool().service = service
    _IN_USE.watch(service, read=lambda: pool().checkedout())
    _MOST.watch(service, read=lambda: pool().size())
    for kind in _KINDS:
        _ERRORS.labels(service, kind)


def _connect_args(service: str, statement_seconds: float) -> dict[str, Any]:
    arguments = {
        "application_name": service,
        "connect_timeout": math.ceil(statement_seconds),
        "tcp_user_timeout": int(2000 * statement_seconds),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    if config.optional("DB_SET_TIMEOUTS", True):
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
            _ERRORS.labels(self.service, "pool").inc()
            raise _unavailable() from error


# SQLAlchemy tells there, under INFO, of each connection that an outage costs.
logging.getLogger(f"{__name__}.{_Pool.__name__}").setLevel(logging.WARNING)


class _Translator:
    """Turns "try again later" in all its spellings into Unavailable; leaves real faults alone."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._away = False

    def translate(self, context: ExceptionContext) -> None:
        error = context.original_exception
        # Before each use the pool asks "are you there?": a no is its own affair, it reconnects.
        if context.is_pre_ping or not isinstance(error, psycopg2.Error):
            return
        away = context.is_disconnect or context.connection is None
        _ERRORS.labels(self._service, "away" if away else _kind(error)).inc()
        if away or _may_pass(error):
            if not (away and self._away):  # of an outage, log the beginning alone
                fact = _first_line(error)
                _log.warning("the database did not answer: %s %s", error.pgcode or "-", fact)
            self._away = self._away or away
            raise _unavailable()

    def note_connection(self, *_: object) -> None:
        if self._away:
            self._away = False
            _log.warning("the database answers again")


def _may_pass(error: psycopg2.Error) -> bool:
    """Tell whether the same statement may succeed later: time-outs, locks, shutdown, no room."""
    code = error.pgcode or ""
    if code in _NOT_MIGRATED or code == _READ_ONLY:
        return True
    return isinstance(error, psycopg2.OperationalError) and not code.startswith(_LIMIT_OF_POSTGRES)


def _kind(error: psycopg2.Error) -> str:
    if isinstance(error, psycopg2.IntegrityError):
        return "constraint"
    return "busy" if _may_pass(error) else "other"


def _unavailable() -> Unavailable:
    return Unavailable("database_unavailable", "The database did not answer in time; try again.")


def _first_line(error: BaseException) -> str:
    """Return the fact without the DETAIL, which may quote a person's data."""
    return str(error).partition("\n")[0]


def _bound_green_waits(seconds: float) -> None:
    """Give green psycopg2 a time-out; eventlet's own callback (0.41.3) waits for ever.

    It holds where the worker's deadline does not: in the relay, in a health check, and in the
    ROLLBACK that follows a deadline. psycopg2 closes the connection whose wait has failed.
    """
    if extensions.get_wait_callback() is None:  # not monkey patched: psycopg2 blocks, as in tests
        return

    def wait(connection: Any) -> None:
        with eventlet.Timeout(seconds, psycopg2.OperationalError(f"no answer in {seconds:g} s")):
            _wait_for(connection)

    extensions.set_wait_callback(wait)


def _wait_for(connection: Any) -> None:
    while (state := connection.poll()) != extensions.POLL_OK:
        trampoline(
            connection.fileno(),
            read=state == extensions.POLL_READ,
            write=state == extensions.POLL_WRITE,
        )
