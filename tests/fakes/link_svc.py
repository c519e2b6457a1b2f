"""Links in memory, with the rules of the real store."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chassis.database.idempotency import Write
from chassis.errors import AlreadyExists, LimitExceeded, NotFound, ServiceError
from link_svc.domain import Changes, Link, LinkDoc, LinkKey, NewLink, Versions, check_version
from link_svc.listing import Order, Page, Position, Query
from link_svc.visibility import DEFAULT, Audience, Visibility, told
from tests.fakes.link_search import found

Dispatch = Callable[[str, str, dict[str, Any]], None]


class FakeKeys:
    """See chassis.database.idempotency.Keys, whose own tests have a database."""

    def once(self, write: Write, do: Callable[[], Any], hours: int) -> Any:
        return do()


class FakeLinkStore:
    """See link_svc.store.LinkStore."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.dispatch = dispatch
        self.links: dict[LinkKey, tuple[Position, Link]] = {}
        self.versions: Counter[str] = Counter()
        self.defaults: dict[str, Visibility] = {}
        self.last_id = 0
        self.keys = FakeKeys()

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
            visibility=new.visibility or self.default_visibility(new.key.owner),
            version=f"{self.last_id}-1",
        )
        self.links[new.key] = (Position(now, self.last_id), link)
        self._tell(None, link)
        return link

    def add_once(self, write: Write, new: NewLink, quota: int, hours: int) -> LinkDoc:
        return self.add(new, quota).document()

    def add_all(self, news: Sequence[NewLink], quota: int) -> list[Link | ServiceError]:
        return [self._added(new, quota) for new in news]

    def _added(self, new: NewLink, quota: int) -> Link | ServiceError:
        try:
            return self.add(new, quota)
        except ServiceError as refusal:
            return refusal

    def update(self, changes: Changes, versions: Versions = None) -> Link:
        position, old = self._find(changes.key)
        check_version(old, versions)
        new = changes.apply(old)
        if new == old:
            return old
        id_, _, revision = old.version.partition("-")
        version = f"{id_}-{int(revision) + 1}"
        new = replace(new, updated_at=datetime.now(UTC), version=version)
        self.links[changes.key] = (position, new)
        self._tell(old, new)
        return new

    def delete(self, key: LinkKey, versions: Versions = None) -> Link:
        _, link = self._find(key)
        check_version(link, versions)
        del self.links[key]
        self._tell(link, None)
        return link

    def get(self, key: LinkKey) -> Link:
        return self._find(key)[1]

    def together(self, owner: str, do: Callable[[], Any]) -> Any:
        return do()

    def count(self, owner: str, audience: Audience) -> int:
        found = (link for _, link in self.links.values() if link.owner == owner)
        return sum(link.visibility in audience.may_see for link in found)

    def default_visibility(self, owner: str) -> Visibility:
        return self.defaults.get(owner, DEFAULT)

    def set_default_visibility(self, owner: str, visibility: Visibility) -> None:
        self.defaults[owner] = visibility

    def page(self, query: Query) -> Page:
        newest = query.order is Order.NEWEST
        rows = sorted(self.links.values(), key=_sort_key, reverse=newest)
        found = [
            (position, link)
            for position, link in rows
            if link.owner == query.owner
            and matches(query, link)
            and (query.after is None or _is_after(position, query.after, newest))
        ]
        shown = found[: query.page_size]
        following = shown[-1][0] if len(found) > len(shown) else None
        return Page([link.document() for _, link in shown], following)

    def _find(self, key: LinkKey) -> tuple[Position, Link]:
        if key not in self.links:
            raise NotFound("no_such_link", "You have no link with this URL.", "url")
        return self.links[key]

    def _tell(self, before: Link | None, after: Link | None) -> None:
        kind = told(*(link.visibility if link else None for link in (before, after)))
        link = after or before
        if kind and link:
            self.versions[link.owner] += 1
            data = {"link": link.told(kind), "version": self.versions[link.owner]}
            self.dispatch(kind, link.owner, data)


def matches(query: Query, link: Link) -> bool:
    """Say whether a link of the owner belongs to the listing."""
    return (
        link.visibility in query.visibilities
        and query.tags.issubset(link.tags)
        and all(pattern.matches(getattr(link, pattern.part)) for pattern in query.patterns)
        and (query.search is None or found(query.search, link))
    )


def _sort_key(row: tuple[Position, Link]) -> tuple[datetime, int]:
    return row[0].created_at, row[0].id


def _is_after(position: Position, bound: Position, newest: bool) -> bool:
    here, there = (position.created_at, position.id), (bound.created_at, bound.id)
    return here < there if newest else here > there
