"""Where follows and blocks are kept: in PostgreSQL, or in a fake."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.outbox import EventDispatcher
from social_graph_svc.models import OutboxEvent, OutboxLease
from social_graph_svc.store import FollowStore
from tests.fakes.social_graph_svc import FakeFollowStore


class Database:
    """Follows in PostgreSQL; each thread may have stores of its own."""

    def __init__(self, engine):
        self.engine = engine
        self.events_of = EventDispatcher("follow-events", OutboxEvent, OutboxLease)

    def store(self):
        session = Session(self.engine, expire_on_commit=False)
        return FollowStore(session, self.events_of.dispatch_for(session))

    def events(self):
        columns = (OutboxEvent.type, OutboxEvent.subject, OutboxEvent.data)
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(*columns).order_by("id"))]


class Memory:
    """Follows in the fake."""

    def __init__(self):
        self.told = []
        self._store = FakeFollowStore(lambda *event: self.told.append(event))

    def store(self):
        return self._store

    def events(self):
        return self.told
