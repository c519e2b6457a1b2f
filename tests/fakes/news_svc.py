"""FeedStore without Valkey, and as much of social_graph_svc as news_svc asks."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from chassis import errors
from news_svc.domain import FollowChange, NewsQuery, Order, Page, Published
from news_svc.schemas import UsernamesDoc


class FakeFeedStore:
    """Behaves as ``news_svc.store.FeedStore``; one suite runs on both."""

    def __init__(self) -> None:
        self._latest: dict[str, dict[str, Published]] = defaultdict(dict)
        self._versions: dict[str, int] = defaultdict(int)
        self._follows: dict[tuple[str, str], FollowChange] = {}
        self._feeds: dict[str, dict[str, Published]] = defaultdict(dict)

    def record(self, published: Published, length: int) -> bool:
        author = published.event.author
        known = self._latest[author].get(published.id)
        if known:
            return known.sequence == published.sequence
        if published.version <= self._versions[author]:
            return False
        self._versions[author] = published.version
        self._latest[author][published.id] = published
        _cut(self._latest[author], length)
        return True

    def deliver(self, published: Published, followers: Sequence[str], length: int) -> None:
        for follower in followers:
            if not self._has_left(follower, published.event.author):
                self._feeds[follower][published.id] = published
                _cut(self._feeds[follower], length)

    def follow(self, change: FollowChange) -> bool:
        pair = change.follower, change.followed
        last = self._follows.get(pair)
        if last and change.version < last.version:
            return False
        self._follows[pair] = change
        if not change.follows:
            feed = self._feeds[change.follower]
            for id_ in [id_ for id_, one in feed.items() if one.event.author == change.followed]:
                del feed[id_]
        return True

    def gather(self, follower: str, authors: Sequence[str], length: int) -> None:
        for author in authors:
            if not self._has_left(follower, author):
                self._feeds[follower].update(self._latest[author])
                _cut(self._feeds[follower], length)

    def read(self, query: NewsQuery) -> Page:
        newest_first = query.order is Order.NEWEST
        feed = sorted(
            (one for one in self._feeds[query.username].values() if self._is_kept(one)),
            key=lambda one: one.sequence,
            reverse=newest_first,
        )
        found = [(one.sequence, one.event) for one in feed if _is_after(one.sequence, query)]
        return Page.of(query, found[: query.page_size + 1])

    def _has_left(self, follower: str, author: str) -> bool:
        last = self._follows.get((follower, author))
        return last is not None and not last.follows

    def _is_kept(self, published: Published) -> bool:
        return published.id in self._latest[published.event.author]


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
