"""Links in PostgreSQL: one transaction for each change, with its event."""

import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, Select, TextClause, select, tuple_
from sqlalchemy.orm import Session

from chassis.database.transactions import each_statement_alone
from chassis.errors import AlreadyExists, LimitExceeded, NotFound, ServiceError
from chassis.outbox import Dispatch
from link_svc import models, statements
from link_svc.domain import Changes, Link, LinkKey, NewLink, Status, Visibility
from link_svc.listing import Order, Page, Position, Query

# How much of a collection one call looks through for what the filters let pass.
SCAN_ROWS = 20_000
SCAN_SECONDS = 1.0
_BATCH_ROWS = 100
_LARGEST_BATCH_ROWS = 1000
_TURN_SECONDS = 0.01

_LINKS = models.Link.__table__.c
_TAGGED = models.LinkTag.__table__.c


class LinkStore:
    """Keep links; ``dispatch`` records what happened in the same transaction."""

    def __init__(self, session: Session, dispatch: Dispatch) -> None:
        self.session = session
        self.dispatch = dispatch

    def add(self, new: NewLink, quota: int) -> Link:
        """Add a link; raise link_exists or too_many_links, and leave nothing behind."""
        with self.session.begin():
            row = self._row(
                statements.ADD,
                owner=new.key.owner,
                url=new.key.url,
                title=new.title,
                description=new.description,
                tags=sorted(new.tags),
                quota=quota,
            )
            if row is None or row.id is None:
                raise self._refusal(new.key, quota)
            return self._tell("link.added", row)

    def update(self, changes: Changes) -> Link:
        """Change a link; raise no_such_link or too_many_tags. No change makes no event."""
        with self.session.begin():
            row = self._row(statements.LOCK, owner=changes.key.owner, url=changes.key.url)
            if row is None:
                raise _no_such_link()
            old = _link(row)
            new = changes.apply(old)
            if new == old:
                return old
            row = self._row(
                statements.UPDATE,
                id=row.id,
                owner=old.owner,
                title=new.title,
                description=new.description,
                tags=list(new.tags),
                gone=sorted(set(old.tags) - set(new.tags)),
                come=sorted(set(new.tags) - set(old.tags)),
            )
            return self._tell("link.updated", row)

    def delete(self, key: LinkKey) -> Link:
        """Delete a link and return it as it was; raise no_such_link."""
        with self.session.begin():
            row = self._row(statements.DELETE, owner=key.owner, url=key.url)
            if row is None:
                raise _no_such_link()
            return self._tell("link.deleted", row)

    def page(self, query: Query) -> Page:
        """Return the next part of the listing: a page, or less where matches are far between.

        A part that ends before the listing does says where to go on.
        """
        links: list[Link] = []
        last = query.after
        now = time.monotonic()
        end, turn = now + SCAN_SECONDS, now + _TURN_SECONDS
        for seen, row in enumerate(self._scan(query), 1):
            link = _link(row)
            if query.matches(link):
                if len(links) == query.page_size:
                    return Page(links, last)
                links.append(link)
            last = Position(row.created_at, row.id)
            now = time.monotonic()
            if seen >= SCAN_ROWS or now > end:
                return Page(links, last)
            if now > turn:
                time.sleep(0)  # a slow pattern must not keep the other workers from running
                turn = now + _TURN_SECONDS
        return Page(links, None)

    def _scan(self, query: Query) -> Iterator[Row[Any]]:
        """Yield what may match, in order, read in batches that grow."""
        tag = self._narrowest(query)
        size = query.page_size + 1
        if query.patterns or len(query.tags) > 1:
            size = max(size, _BATCH_ROWS)
        after = query.after
        while True:
            with each_statement_alone(self.session):
                rows = self.session.execute(_listing(query, tag, after).limit(size)).all()
            yield from rows
            if len(rows) < size:
                return
            after = Position(rows[-1].created_at, rows[-1].id)
            size = max(size, min(4 * size, _LARGEST_BATCH_ROWS))

    def _narrowest(self, query: Query) -> str | None:
        """Return the tag whose index entries to walk: the rarest."""
        if len(query.tags) < 2:
            return next(iter(query.tags), None)
        with each_statement_alone(self.session):
            row = self._row(statements.RAREST, owner=query.owner, tags=sorted(query.tags))
        return row.tag if row else None

    def _row(self, statement: TextClause, **values: Any) -> Row[Any] | None:
        return self.session.execute(statement, values).one_or_none()

    def _tell(self, event_type: str, row: Row[Any] | None) -> Link:
        """Record the event of a change that has been made; return the link."""
        assert row is not None
        link = _link(row)
        self.dispatch(event_type, link.owner, {"link": link.document(), "version": row.version})
        return link

    def _refusal(self, key: LinkKey, quota: int) -> ServiceError:
        if self._row(statements.EXISTS, owner=key.owner, url=key.url):
            return AlreadyExists("link_exists", "You have a link with this URL already.", "url")
        return LimitExceeded("too_many_links", f"You have {quota} links, the most one can have.")


def _listing(query: Query, tag: str | None, after: Position | None) -> Select[Any]:
    """Select the owner's links in order; every variant is one range scan of an index."""
    key = (_LINKS.created_at, _LINKS.id)
    statement = select(*_LINKS)
    if tag is None:
        statement = statement.where(_LINKS.owner == query.owner)
    else:
        key = (_TAGGED.created_at, _TAGGED.link_id)
        statement = statement.join(models.LinkTag, _TAGGED.link_id == _LINKS.id)
        statement = statement.where(_TAGGED.owner == query.owner, _TAGGED.tag == tag)
    newest = query.order is Order.NEWEST
    if after is not None:
        bound = tuple_(after.created_at, after.id)
        statement = statement.where(tuple_(*key) < bound if newest else tuple_(*key) > bound)
    return statement.order_by(*(column.desc() if newest else column for column in key))


def _link(row: Row[Any]) -> Link:
    return Link(
        owner=row.owner,
        url=row.url,
        title=row.title,
        description=row.description,
        tags=tuple(row.tags),
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=Status(row.status),
        visibility=Visibility(row.visibility),
    )


def _no_such_link() -> NotFound:
    return NotFound("no_such_link", "You have no link with this URL.", "url")
