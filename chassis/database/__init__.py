"""A store for each worker, on a session of its own."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from nameko_sqlalchemy import DatabaseSession
from sqlalchemy import Engine, text
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from chassis.database.errors import NOT_MIGRATED
from chassis.database.postgres import database_url, make_engine, place
from chassis.errors import Unavailable
from chassis.outage import Outage

_log = logging.getLogger(__name__)

# What a newer release has added does not trouble an older one, which may run beside it.
_MISSING_COLUMNS = text(
    "SELECT DISTINCT CASE WHEN to_regclass(tab) IS NULL THEN tab ELSE tab || '.' || col END"
    " FROM unnest(CAST(:tables AS text[]), CAST(:columns AS text[])) AS wanted (tab, col)"
    " WHERE NOT EXISTS (SELECT FROM pg_attribute"
    " WHERE attrelid = to_regclass(tab) AND attname = col AND NOT attisdropped) ORDER BY 1"
)


class Events(Protocol):
    """What a store asks of the outbox: see chassis.outbox.EventDispatcher."""

    engine: Engine

    def dispatch_for(self, session: Session) -> Callable[[str, str, dict[str, Any]], None]:
        """Return the function with which this session's transaction records events."""
        ...


class Store(DatabaseSession):
    """Inject ``store_cls(session)``, or with ``events`` ``store_cls(session, dispatch)``.

    Each worker has a session of its own. The store opens one transaction in each method; what
    the database refuses because it is away, busy or too slow reaches the caller as
    ``Unavailable("database_unavailable")``.
    """

    role = "database"

    def __init__(
        self,
        store_cls: Callable[..., Any],
        declarative_base: type[DeclarativeBase],
        events: Any = None,
    ) -> None:
        super().__init__(declarative_base, session_options={"expire_on_commit": False})
        self.store_cls = store_cls
        self.events: Events | None = events  # as an attribute, nameko binds it along with us

    def setup(self) -> None:
        """Make the engine; nothing is connected, so the database may come later."""
        service = self.container.service_name
        self.outage = Outage(place(database_url(service)))
        self.engine = make_engine(service, self.outage)
        self.Session = sessionmaker(bind=self.engine, **self.session_options)
        if self.events is not None:
            self.events.engine = self.engine

    def stop(self) -> None:
        """Close the idle connections; the relay of the outbox, which stops after us, may go on."""
        self.engine.dispose()

    kill = stop

    def get_dependency(self, worker_ctx: Any) -> Any:
        """Return a store with a session that has touched nothing yet."""
        session = super().get_dependency(worker_ctx)
        if self.events is None:
            return self.store_cls(session)
        return self.store_cls(session, self.events.dispatch_for(session))

    def worker_teardown(self, worker_ctx: Any) -> None:
        """Give the connection back; an error here would end the whole service."""
        session: Session = self.sessions.pop(worker_ctx)
        try:
            session.close()
        except Exception:
            _log.warning("a session could not be closed: its connection is dropped", exc_info=True)
            session.invalidate()

    def check(self) -> None:
        """Raise Unavailable unless the database answers and has our tables and columns."""
        missing = self._missing()
        if missing:
            why = f"its migrations are not applied: {', '.join(missing)} not there"
            self.outage.begin(why, NOT_MIGRATED)
            raise Unavailable("database_not_migrated", f"The database lacks {', '.join(missing)}.")

    def _missing(self) -> list[str]:
        """Return the tables that are not there, and the columns of those that are."""
        tables = self.declarative_base.metadata.tables.items()
        wanted = [(name, column.name) for name, table in tables for column in table.columns]
        names = dict(zip(("tables", "columns"), map(list, zip(*wanted, strict=True)), strict=True))
        with self.engine.connect() as connection:
            return list(connection.scalars(_MISSING_COLUMNS, names))
