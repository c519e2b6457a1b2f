"""What a store of links tells others, heard when it is committed."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, delete, insert
from sqlalchemy.orm import Session

from chassis.outbox import Dispatch
from link_svc.models import OutboxEvent
from link_svc.store import LinkStore

# (type, subject, data)
Hear = Callable[[str, str, dict[str, Any]], Any]


def link_store(engine: Engine, hear: Hear) -> LinkStore:
    """Return a store whose outbox is emptied at each commit."""
    session = Session(engine, expire_on_commit=False)

    def committed(_: Session) -> None:
        with engine.begin() as connection:
            rows = connection.execute(delete(OutboxEvent).returning(OutboxEvent)).all()
        for row in sorted(rows, key=lambda row: row.id):
            hear(row.type, row.subject, row.data)

    return LinkStore(session, Dispatch(session, insert(OutboxEvent.__table__), committed))
