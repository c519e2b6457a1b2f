"""Links in PostgreSQL: one message for each change, with its event."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis.database import idempotency
from chassis.database.direct import execute, fetch_one
from chassis.database.idempotency import Write
from chassis.database.prepared import Prepared
from chassis.database.transactions import transaction
from chassis.errors import AlreadyExists, NotFound, ServiceError
from chassis.outbox import Dispatch
from link_svc import models, statements
from link_svc.adds import Adds
from link_svc.batches import Batches
from link_svc.domain import Changes, Link, LinkDoc, LinkKey, NewLink, Versions, check_version
from link_svc.exports.store import Exporting
from link_svc.forgetting import Forgetting
from link_svc.pages import Pages
from link_svc.rows import link_exists, link_of, too_many_links, words
from link_svc.search.filling import Filling
from link_svc.visibility import DEFAULT, Audience, Visibility, told

# How often a change looks again at what others have changed meanwhile.
_TRIES = 3


T = TypeVar("T")


class LinkStore(Pages, Batches, Exporting, Forgetting, Filling):
    """Keep links; ``dispatch`` records what happened in the same transaction."""

    def __init__(self, session: Session, dispatch: Dispatch, adds: Adds | None = None) -> None:
        self.session = session
        self.dispatch = dispatch
        self.adds = adds or Adds()
        self.keys = idempotency.Keys(session, models.IdempotencyKey)

    def add(self, new: NewLink, quota: int) -> Link:
        """Add a link; raise link_exists or too_many_links, and leave nothing behind."""
        for _ in range(_TRIES):
            if link := self._added(new, quota):
                return link
            if refusal := self._refusal(new.key, quota):
                raise refusal
        raise link_exists()  # it was there each time, and gone when we asked why

    def add_once(self, write: Write, new: NewLink, quota: int, hours: int) -> LinkDoc:
        """Add a link once for a key, and return its document; see chassis.database.idempotency.

        Without a key, it may be added together with others that come now.
        """
        if not write.key:
            return self.adds.add(self, new, quota).document()
        values = self.keys.inline(write, hours)
        with suppress(AlreadyExists):
            if link := self._added(new, quota, statements.ADD_ONCE, **values):
                return link.document()
        # Not the first time, or to be refused.
        return self.keys.once(write, lambda: self.add(new, quota).document(), hours)

    def update(self, changes: Changes, versions: Versions = None) -> Link:
        """Change a link; raise no_such_link, link_changed or too_many_tags.

        No change makes no event.
        """
        for _ in range(_TRIES):
            old = self._row(statements.GET, owner=changes.key.owner, url=changes.key.url)
            if updated := self._updated(old, changes, versions):
                return updated
        with transaction(self.session):  # whoever else changes it has to wait
            old = self._row(statements.LOCK, owner=changes.key.owner, url=changes.key.url)
            updated = self._updated(old, changes, versions)
            assert updated is not None
            return updated

    def delete(self, key: LinkKey, versions: Versions = None) -> Link:
        """Delete a link and return it as it was; raise no_such_link or link_changed."""
        row = self._row(
            statements.DELETE,
            owner=key.owner,
            url=key.url,
            versions=None if versions is None else sorted(versions),
            context=json.dumps(self.context()),
        )
        if row is None:
            raise _no_such_link()
        link = link_of(row)
        check_version(link, versions)  # which then was the statement's condition, too
        return link

    def get(self, key: LinkKey) -> Link:
        """Return a link; raise no_such_link."""
        row = self._row(statements.GET, owner=key.owner, url=key.url)
        if row is None:
            raise _no_such_link()
        return link_of(row)

    def together(self, owner: str, do: Callable[[], T]) -> T:
        """Do several changes of an owner's links in one transaction; each may be refused."""
        with transaction(self.session):
            self._do(statements.LOCK_OWNER, owner=owner)
            return do()

    def count(self, owner: str, audience: Audience) -> int:
        """Return how many links of somebody's the audience may see."""
        row = self._row(statements.OWNER, owner=owner)
        if row is None:
            return 0
        counts = {Visibility.PRIVATE: row.private_count, Visibility.PUBLIC: row.public_count}
        counts[Visibility.FOLLOWERS] = row.link_count - sum(counts.values())
        return sum(counts[visibility] for visibility in audience.may_see)

    def default_visibility(self, owner: str) -> Visibility:
        """Return the visibility of a link that is added without one."""
        row = self._row(statements.OWNER, owner=owner)
        return Visibility(row.default_visibility) if row else DEFAULT

    def set_default_visibility(self, owner: str, visibility: Visibility) -> None:
        """Change the visibility of links that are added from now on without one."""
        self._do(statements.SET_DEFAULT_VISIBILITY, owner=owner, visibility=visibility)

    def _row(self, statement: Prepared, **values: Any) -> Any:
        return fetch_one(self.session, statement, values)

    def _do(self, statement: Prepared, **values: Any) -> None:
        execute(self.session, statement, values)

    def _added(
        self, new: NewLink, quota: int, statement: Prepared = statements.ADD, **more: Any
    ) -> Link | None:
        values = more | {
            "owner": new.key.owner,
            "url": new.key.url,
            "title": new.title,
            "description": new.description,
            "tags": sorted(new.tags),
            "words": words(new.key.owner, new.key.url, new),
            "visibility": new.visibility,
            "quota": quota,
            "context": json.dumps(self.context()),
        }
        try:
            row = self._row(statement, **values)
        except IntegrityError as error:
            if "links_owner_url_key" in str(error):
                raise link_exists() from None
            raise
        return link_of(row) if row else None

    def _updated(self, row: Any, changes: Changes, versions: Versions) -> Link | None:
        """Change the link that was read, and return it; None: somebody else has meanwhile."""
        if row is None:
            raise _no_such_link()
        old = link_of(row)
        check_version(old, versions)
        new = changes.apply(old)
        if new == old:
            return old
        updated = self._row(
            statements.UPDATE,
            id=row.id,
            revision=row.revision,
            owner=old.owner,
            title=new.title,
            description=new.description,
            tags=list(new.tags),
            words=words(new.owner, new.url, new),
            gone=sorted(set(old.tags) - set(new.tags)),
            come=sorted(set(new.tags) - set(old.tags)),
            visibility=new.visibility,
            event=told(old.visibility, new.visibility),
            context=json.dumps(self.context()),
            **_counts(old.visibility, new.visibility),
        )
        return link_of(updated) if updated else None

    def _refusal(self, key: LinkKey, quota: int) -> ServiceError | None:
        why = self._row(statements.REFUSAL, owner=key.owner, url=key.url, quota=quota)
        assert why is not None
        if why.exists:
            return link_exists()
        if why.full:
            return too_many_links(quota)
        return None


def _no_such_link() -> NotFound:
    return NotFound("no_such_link", "You have no link with this URL.", "url")


def _counts(before: Visibility, after: Visibility) -> dict[str, int]:
    """Return what a change adds to its owner's counters."""
    return {
        "private": (after is Visibility.PRIVATE) - (before is Visibility.PRIVATE),
        "public": (after is Visibility.PUBLIC) - (before is Visibility.PUBLIC),
    }
