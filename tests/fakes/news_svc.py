"""FeedStore without Valkey, History without NATS, and the social graph that news_svc asks."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from chassis import errors
from news_svc.domain import EventType, NewsQuery, Order, Page, Published, firsts
from news_svc.schemas import UsernamesDoc
from news_svc.store import Lost


@dataclass
class Author:
    """An author's latest events."""

    version: int
    latest: dict[str, Published] = field(default_factory=dict)
    pulled: str = ""  # by "some" feeds, or by "all"


@dataclass
class Feed:
    """A feed, complete or in the making."""

    begun: int
    complete: bool = False
    events: dict[str, Published] = field(default_factory=dict)
    pulls: dict[str, int] = field(default_factory=dict)


class FakeFeedStore:
    """Behaves as ``news_svc.store.FeedStore``; one suite runs on both."""

    def __init__(self) -> None:
        self._tick = self._epoch = 1
        self._horizon: int | None = None
        self._authors: dict[str, Author] = {}
        self._feeds: dict[str, Feed] = {}
        self._gone: dict[str, int] = {}

    def vanish(self, username: str, sequence: int) -> None:
        self._gone[username] = sequence
        self._authors.pop(username, None)
        # A feed that has events without their bodies is found to be lost when it is read.
        self._feeds = {
            name: feed
            for name, feed in self._feeds.items()
            if name != username
            and username not in {one.event.author for one in feed.events.values()}
            and username not in feed.pulls
        }

    def moment(self) -> int:
        return self._tick

    def forget(self) -> None:
        self._tick += 1
        self._begin_epoch()
        self._horizon = None

    def open(self, sequence: int, moment: int) -> None:
        if moment < self._epoch:
            raise Lost
        if self._horizon is None:
            self._tick += 1
            self._begin_epoch()
            self._horizon = sequence

    def advance(self, sequence: int, moment: int) -> None:
        if moment < self._epoch or self._horizon is None:
            raise Lost
        self._horizon = max(self._horizon, sequence)

    def _begin_epoch(self) -> None:
        self._epoch = self._tick
        self._authors.clear()
        self._feeds.clear()

    def record_all(
        self, published: Sequence[Published], length: int
    ) -> tuple[list[int | None], set[str]]:
        def attempt(one: Published) -> int | None:
            try:
                return self.record(one, length)
            except Lost:
                return None

        authors = {one.event.author for one in published}
        return [attempt(one) for one in published], authors - self.pushed(authors)

    def record(self, published: Published, length: int, restored: bool = False) -> int:
        if published.sequence <= self._gone.get(published.event.author, 0):
            return 0
        author = self._authors.get(published.event.author)
        if author is None:
            raise Lost
        known = author.latest.get(published.id)
        if known:
            return self._tick if known.sequence == published.sequence else 0
        if published.version <= author.version:
            return 0
        if published.version > author.version + 1 and not restored:
            raise Lost
        author.version = published.version
        author.latest[published.id] = published
        _cut(author.latest, length)
        return self._tick

    def restore(self, author: str, latest: Sequence[Published], moment: int, length: int) -> None:
        if moment < self._epoch:
            raise Lost
        known = self._authors.setdefault(author, Author(0))
        kept = sorted((one.sequence for one in known.latest.values()), reverse=True)
        first = kept[length - 1] if len(kept) >= length else 0
        latest = [one for one in latest if one.id not in known.latest]
        known.latest.update({one.id: one for one in latest if one.sequence >= first})
        known.version = max([known.version, *(one.version for one in latest)])

    def pushed(self, authors: Collection[str]) -> set[str]:
        pulled = {name for name, author in self._authors.items() if author.pulled == "all"}
        return set(authors) - pulled

    def pull(self, author: str) -> int:
        if author not in self._authors:
            raise Lost(author)
        self._authors[author].pulled = self._authors[author].pulled or "some"
        return self._tick

    def mark(self, author: str, moment: int, followers: Sequence[str]) -> None:
        for follower in followers:
            feed = self._feeds.get(follower)
            if feed and feed.begun <= moment:
                feed.pulls.setdefault(author, self._horizon or 0)

    def pulled(self, author: str, moment: int) -> None:
        known = self._authors.get(author)
        if moment < self._epoch or known is None or not known.pulled:
            raise Lost(author)
        known.pulled = "all"

    def deliver(
        self,
        recorded: Sequence[tuple[Published, int]],
        followers: Sequence[str],
        length: int,
        seen: tuple[int, int] = (0, 0),
    ) -> None:
        for follower in followers:
            feed = self._feeds.get(follower)
            for published, moment in recorded:
                if feed and feed.begun <= moment:
                    feed.events[published.id] = published
                    _cut(feed.events, length)
        if any(seen):
            self.advance(*seen)

    def begin(self, username: str) -> int:
        if self._horizon is None:
            raise Lost
        if username not in self._feeds:
            self._tick += 1
            self._feeds[username] = Feed(self._tick)
        feed = self._feeds[username]
        return 0 if feed.complete else feed.begun

    def gather(
        self, username: str, begun: int, authors: Sequence[str], length: int
    ) -> Sequence[str]:
        feed = self._begun(username, begun)
        for author in self._authors.keys() & set(authors):
            feed.events.update(self._authors[author].latest)
            _cut(feed.events, length)
            if self._authors[author].pulled:
                feed.pulls.setdefault(author, self._horizon or 0)
        return [author for author in authors if author not in self._authors]

    def complete(self, username: str, begun: int) -> None:
        self._begun(username, begun).complete = True

    def drop(self, username: str) -> None:
        self._feeds.pop(username, None)

    def read(self, query: NewsQuery, length: int) -> Page:
        feed, horizon = self._feeds.get(query.username), self._horizon
        if feed is None or not feed.complete or horizon is None:
            raise Lost
        for author, mark in feed.pulls.items():
            latest = self._authors[author].latest
            feed.events |= {k: v for k, v in latest.items() if mark < v.sequence <= horizon}
            feed.pulls[author] = horizon
        _cut(feed.events, length)
        events = sorted(
            (one for one in feed.events.values() if one.sequence <= horizon and self._is_read(one)),
            key=lambda one: one.sequence,
            reverse=query.order is Order.NEWEST,
        )
        found = [(one.sequence, one.event) for one in events if _is_after(one.sequence, query)]
        return Page.of(query, found[: query.page_size + 1])

    def _begun(self, username: str, begun: int) -> Feed:
        feed = self._feeds.get(username)
        if feed is None or feed.begun != begun:
            raise Lost
        return feed

    def _is_read(self, published: Published) -> bool:
        latest = self._authors[published.event.author].latest
        return published.id in latest and not any(
            one.event.type is EventType.LINK_HIDDEN
            and one.event.url == published.event.url
            and one.sequence >= published.sequence
            for one in latest.values()
        )


class FakeHistory:
    """The log of link events."""

    def __init__(self) -> None:
        self.log: list[Published] = []

    def end(self) -> int:
        return self.log[-1].sequence if self.log else 0

    def latest(self, author: str, length: int) -> list[Published]:
        return firsts((one for one in self.log if one.event.author == author), 0)[-length:]


def _cut(published: dict[str, Published], length: int) -> None:
    for one in sorted(published.values(), key=lambda one: one.sequence)[:-length]:
        del published[one.id]


def _is_after(sequence: int, query: NewsQuery) -> bool:
    if query.after is None:
        return True
    return sequence < query.after if query.order is Order.NEWEST else sequence > query.after


class FakeSocialGraph:
    """Who follows whom, in pages by name.

    ``away`` makes calls fail; ``meanwhile`` runs after a page has been found, before the caller
    has it: what another process does at the worst moment.
    """

    def __init__(self) -> None:
        self.pairs: set[tuple[str, str]] = set()
        self.away = False
        self.meanwhile: Callable[[], None] = _nothing

    def get_followers(
        self, username: str, start_token: str = "", page_size: int = 10
    ) -> UsernamesDoc:
        names = (follower for follower, followed in self.pairs if followed == username)
        return self._page(names, start_token, page_size)

    def get_following(
        self, username: str, start_token: str = "", page_size: int = 10
    ) -> UsernamesDoc:
        names = (followed for follower, followed in self.pairs if follower == username)
        return self._page(names, start_token, page_size)

    def _page(self, names: Iterable[str], start_token: str, page_size: int) -> UsernamesDoc:
        if self.away:
            raise errors.Unavailable("peer_away")
        left = sorted(name for name in names if name > start_token)
        page = left[:page_size]
        meanwhile, self.meanwhile = self.meanwhile, _nothing
        meanwhile()
        return {"usernames": page, "next_token": page[-1] if len(left) > len(page) else ""}


def _nothing() -> None:
    pass
