"""Links in memory, with the rules of the real store."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chassis.errors import AlreadyExists, LimitExceeded, NotFound
from link_svc.domain import Changes, Link, LinkKey, NewLink
from link_svc.listing import Order, Page, Position, Query

Dispatch = Callable[[str, str, dict[str, Any]], None]


class FakeLinkStore:
    """See link_svc.store.LinkStore."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.dispatch = dispatch
        self.links: dict[LinkKey, tuple[Position, Link]] = {}
        self.versions: Counter[str] = Counter()
        self.last_id = 0

    def add(self, new: NewLink, quota: int) -> Link:
        if new.key in self.links:
            raise AlreadyExists("link_exists", "You have a link with this URL already.", "url")
        if sum(key.owner == new.key.owner for key in self.links) >= quota:
            raise LimitExceeded("too_many_links", f"You have {quota} links.")
        now = datetime.now(UTC)
        self.last_id += 1
        link = Link(
            owner=new.key.owner,
            url=new.key.url,
            title=new.title,
            description=new.description,
            tags=tuple(sorted(new.tags)),
            created_at=now,
            updated_at=now,
        )
        self.links[new.key] = (Position(now, self.last_id), link)
        return self._tell("link.added", link)

    def update(self, changes: Changes) -> Link:
        position, old = self._find(changes.key)
        new = changes.apply(old)
        if new == old:
            return old
        new = replace(new, updated_at=datetime.now(UTC))
        self.links[changes.key] = (position, new)
        return self._tell("link.updated", new)

    def delete(self, key: LinkKey) -> Link:
        _, link = self._find(key)
        del self.links[key]
        return self._tell("link.deleted", link)

    def page(self, query: Query) -> Page:
        newest = query.order is Order.NEWEST
        rows = sorted(self.links.values(), key=_sort_key, reverse=newest)
        found = [
            (position, link)
            for position, link in rows
            if link.owner == query.owner
            and query.matches(link)
            and (query.after is None or _is_after(position, query.after, newest))
        ]
        shown = found[: query.page_size]
        following = shown[-1][0] if len(found) > len(shown) else None
        return Page([link for _, link in shown], following)

    def _find(self, key: LinkKey) -> tuple[Position, Link]:
        if key not in self.links:
            raise NotFound("no_such_link", "You have no link with this URL.", "url")
        return self.links[key]

    def _tell(self, event_type: str, link: Link) -> Link:
        self.versions[link.owner] += 1
        data = {"link": link.document(), "version": self.versions[link.owner]}
        self.dispatch(event_type, link.owner, data)
        return link


def _sort_key(row: tuple[Position, Link]) -> tuple[datetime, int]:
    return row[0].created_at, row[0].id


def _is_after(position: Position, bound: Position, newest: bool) -> bool:
    here, there = (position.created_at, position.id), (bound.created_at, bound.id)
    return here < there if newest else here > there
