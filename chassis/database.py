"""A store for each worker, on a session of its own."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from nameko_sqlalchemy import DatabaseSession
from sqlalchemy import Engine, text
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from chassis.errors import Unavailable
from chassis.postgres import make_engine

_log = logging.getLogger(__name__)

_MISSING_TABLES = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NULL"
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
        self.engine = make_engine(self.container.service_name)
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
        """Raise Unavailable unless the database answers and has our tables."""
        tables = list(self.declarative_base.metadata.tables)
        with self.engine.connect() as connection:
            missing = connection.scalars(_MISSING_TABLES, {"names": tables}).all()
        if missing:
            raise Unavailable("database_not_migrated", f"Tables are missing: {', '.join(missing)}.")
