"""What the database's errors mean: try again later, and what to say of it once; or a real fault."""

import logging

import psycopg2
from sqlalchemy.engine import ExceptionContext

from chassis.errors import Unavailable
from chassis.outage import Outage
from chassis.telemetry import metrics

_log = logging.getLogger(__name__)

ERRORS = metrics.counter(
    "db_errors",
    "Errors of the database by kind: away, pool (none of our connections was free), busy (a "
    "time-out, a lock, or no room), constraint, other.",
    "kind",
)
KINDS = ("away", "pool", "busy", "constraint", "other")

# Table or column not there: the new version runs already, its migration has not yet.
_NOT_MIGRATED = frozenset({"42P01", "42703"})
NOT_MIGRATED = "not migrated"
_COMES_OR_GOES = "the database system is "  # starting up, shutting down, in recovery
_READ_ONLY = "25006"  # what a standby says until it has been promoted
_LIMIT_OF_POSTGRES = "54"  # psycopg2 calls these operational, but a second try changes nothing


class Translator:
    """Turns "try again later" in all its spellings into Unavailable; leaves real faults alone."""

    def __init__(self, service: str, outage: Outage) -> None:
        self._service = service
        self._outage = outage

    def translate(self, context: ExceptionContext) -> None:
        """Hear of every error of SQLAlchemy's; raise Unavailable for those that may pass."""
        error = context.original_exception
        # Before each use the pool asks "are you there?": a no is its own affair, it reconnects.
        if context.is_pre_ping or not isinstance(error, psycopg2.Error):
            return
        self.judge(error, context.is_disconnect, connecting=context.connection is None)

    def judge(self, error: psycopg2.Error, lost: bool, connecting: bool = False) -> None:
        """Raise Unavailable for an error that may pass; ``lost``: the connection is, with it."""
        away = lost or connecting
        ERRORS.labels(self._service, "away" if away else _kind(error)).inc()
        if not away and not _may_pass(error):
            return
        fact = _first_line(error)
        cause = _cause(error, fact, connecting)
        if cause == NOT_MIGRATED:
            self._outage.begin(f"its migrations are not applied: {fact}", cause)
        elif cause or away:
            self._outage.begin(fact, cause)
        else:  # this statement alone
            _log.warning("the database did not answer: %s %s", error.pgcode or "-", fact)
        raise unavailable()


def _cause(error: psycopg2.Error, fact: str, connecting: bool) -> str:
    """Return what keeps everyone from the database, each cause by its own name; or nothing."""
    code = error.pgcode or ""
    if code in _NOT_MIGRATED:
        return NOT_MIGRATED
    if code == _READ_ONLY:
        return "read-only"
    _, refused, why = fact.partition("FATAL: ")
    if connecting and refused and _COMES_OR_GOES not in why:
        return why  # a wrong password, a database that does not exist, no connection left
    return ""


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


def unavailable() -> Unavailable:
    """Return the one error for a database that is away, busy or not ready for us."""
    return Unavailable("database_unavailable", "The database did not answer in time; try again.")


def _first_line(error: BaseException) -> str:
    """Return the fact without the DETAIL, which may quote a person's data."""
    return str(error).partition("\n")[0]
