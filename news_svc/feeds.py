"""The feeds as everybody else sees them: what the store has lost is made anew from the stream."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Protocol, TypeVar

import eventlet
from eventlet import GreenPool

from chassis import failpoints
from chassis.errors import Unavailable
from news_svc import metrics
from news_svc.domain import NewsQuery, Page, Published
from news_svc.erasure import Erasure
from news_svc.history import History
from news_svc.once import Once
from news_svc.schemas import UsernamesDoc
from news_svc.store import FeedStore, Lost

_FOLLOWERS_A_PAGE = 1000
_COPIES = 500
_AUTHORS_AT_ONCE = 8
# Fewer than a page may have, because every author may have a whole feed's length of events.
_AUTHORS_A_PAGE = 100
# A reader waits for so long; RPC_TIMEOUT_SECONDS is what the reader's caller waits.
_PATIENCE_SECONDS = 1.5
_RESTORE_SECONDS = 30.0
_TRIES = 5

NOT_YET = (0, 0)  # readers see nothing new

T = TypeVar("T")
Recorded = tuple[Published, int]  # and the time of its record


class SocialGraph(Protocol):
    """As much of social_graph_svc as feeds need."""

    def get_followers(self, username: str, *, start_token: str, page_size: int) -> UsernamesDoc:
        """Return a page of the people who follow somebody."""

    def get_following(self, username: str, *, start_token: str, page_size: int) -> UsernamesDoc:
        """Return a page of the people whom somebody follows."""


class Feeds:
    """Everyone's feed, ``length`` events each. Everything here may raise Unavailable."""

    def __init__(
        self,
        store: FeedStore,
        history: History,
        social_graph: SocialGraph,
        length: int,
        copies: int = _COPIES,
        erasure: Erasure | None = None,
    ) -> None:
        self.store = store
        self.history = history
        self.social_graph = social_graph
        self.length = length
        self.copies = copies  # to more followers an author's events are not written
        self.erasure = erasure
        self._making = Once()
        self._restoring = Once()

    def read(self, query: NewsQuery) -> Page:
        """Read a page; a feed that is lost is made first."""

        def attempt() -> Page:
            try:
                return self.store.read(query, self.length)
            except Lost:
                self.make(query.username)
                raise

        metrics.feed_reads.inc()
        return _insist(attempt)

    def make(self, username: str) -> None:
        """Make a feed if it is lost, in the background if that takes long."""
        self._making.do(username, partial(self._make, username), _PATIENCE_SECONDS)

    def renew(self, username: str) -> None:
        """Make a feed anew, from whom its owner follows now: at once, or when it is next read."""
        self.store.drop(username)
        with suppress(Unavailable):
            self.make(username)

    def erase(self, username: str, left: Sequence[str]) -> None:
        """Keep nothing of a person who has left: the last of all who kept something of them.

        ``left`` are the services that still do. Raise Unavailable where it is to be done again.
        """
        if len(left) > 1 or self.erasure is None:
            raise Unavailable("others_first", "Others still keep something.")
        self.erasure.erase(username)

    def forget(self) -> None:
        """Throw everything away; each feed is made when it is next read."""
        self.store.forget()

    def publish(self, published: Sequence[Published], social_graph: SocialGraph) -> None:
        """Write events that follow each other in the stream into the feeds of their followers.

        Readers see them when all of it is done; doing it again is harmless.
        """

        _insist(lambda: self._publish(published, social_graph), self._open)

    def publish_late(self, published: Published, social_graph: SocialGraph) -> None:
        """Write an event that was given up into feeds that went on without it, in its old place.

        Its author's later events are there, so it would be taken for a copy; therefore it is looked
        for in the stream first. Doing it again is harmless.
        """

        def attempt() -> None:
            self._restore(published.event.author, self.store.moment())
            # Also of an author whose events feeds take when they are read: they are past its place.
            recorded, _ = self._record([published])
            for one, moment in recorded:
                for page in _followers(social_graph, published.event.author):
                    self._write([(one, moment)], page)
                self.store.advance(published.sequence, moment)

        _insist(attempt, self._open)

    def _publish(self, published: Sequence[Published], social_graph: SocialGraph) -> None:
        recorded, pushed = self._record(published)
        if not recorded:
            return
        by_author: dict[str, list[Recorded]] = defaultdict(list)
        for one, moment in recorded:
            by_author[one.event.author].append((one, moment))
        authors = [author for author in by_author if author in pushed]
        seen = published[-1].sequence, min(moment for _, moment in recorded)
        if len(authors) == 1:  # mostly: then one step less
            (author,) = authors
            if self._deliver(author, by_author[author], social_graph, seen):
                return
        else:
            self._deliver_all(authors, by_author, social_graph)
        self.store.advance(*seen)

    def _deliver_all(
        self,
        authors: Sequence[str],
        by_author: dict[str, list[Recorded]],
        social_graph: SocialGraph,
    ) -> None:
        def deliver(author: str) -> None:
            self._deliver(author, by_author[author], social_graph)

        for _ in GreenPool(_AUTHORS_AT_ONCE).imap(deliver, authors):
            pass

    def _record(self, published: Sequence[Published]) -> tuple[list[Recorded], set[str]]:
        """Keep events among their authors' latest; return those that are no duplicates.

        Return also the authors whose events are to be delivered.
        """
        moments, pulled = self.store.record_all(published, self.length)
        authors = {one.event.author for one in published}
        found = [
            (one, self._record_lost(one) if moment is None else moment)
            for one, moment in zip(published, moments, strict=True)
        ]
        # What was restored meanwhile knows nothing of being pulled.
        pushed = self.store.pushed(authors) if None in moments else authors - pulled
        return [(one, moment) for one, moment in found if moment], pushed

    def _record_lost(self, published: Published) -> int:
        try:  # perhaps with what was restored for one before
            return self.store.record(published, self.length)
        except Lost:
            return _insist(lambda: self._record_restored(published))

    def _record_restored(self, published: Published) -> int:
        moment = self.store.moment()
        self._restore(published.event.author, moment)
        return self.store.record(published, self.length, restored=True)

    def _deliver(
        self,
        author: str,
        recorded: list[Recorded],
        social_graph: SocialGraph,
        seen: tuple[int, int] = NOT_YET,
    ) -> bool:
        """Write an author's events; return whether readers see from now on what is ``seen``."""
        count = 0
        shown = False
        for page, is_last in _flagged(_followers(social_graph, author)):
            count += len(page)
            if count > self.copies:
                self._have_pulled(author, social_graph)
                return False
            self._write(recorded, page, seen if is_last else NOT_YET)
            shown = is_last
        for _ in recorded:
            metrics.followers.observe(count)
        return shown

    def _write(
        self,
        recorded: list[Recorded],
        followers: Sequence[str],
        seen: tuple[int, int] = NOT_YET,
    ) -> None:
        self.store.deliver(recorded, followers, self.length, seen)
        metrics.feed_writes.inc(len(followers) * len(recorded))
        failpoints.reach("feeds-delivered")

    def _have_pulled(self, author: str, social_graph: SocialGraph) -> None:
        """Let all followers' feeds take an author's events when they are read, from now on."""
        moment = self.store.pull(author)
        for page in _followers(social_graph, author):
            self.store.mark(author, moment, page)
            failpoints.reach("feeds-delivered")
        self.store.pulled(author, moment)

    def _open(self) -> None:
        """See to it that there is a horizon: at first, all that the stream has now."""
        moment = self.store.moment()
        with suppress(Lost):
            self.store.open(self.history.end(), moment)

    def _make(self, username: str) -> None:
        _insist(lambda: self._attempt(username), self._open)

    def _attempt(self, username: str) -> None:
        begun = self.store.begin(username)
        if begun:
            for authors in pages(self.social_graph.get_following, username, _AUTHORS_A_PAGE):
                self._gather(username, begun, authors)
            self.store.complete(username, begun)
            metrics.feeds_rebuilt.inc()

    def _gather(self, username: str, begun: int, authors: Sequence[str]) -> None:
        lost = self.store.gather(username, begun, authors, self.length)
        if lost:
            self._restore_all(lost)
            if self.store.gather(username, begun, lost, self.length):
                raise Lost(username)

    def _restore_all(self, authors: Sequence[str]) -> None:
        moment = self.store.moment()

        def restore(author: str) -> None:
            work = partial(self._restore, author, moment)
            self._restoring.do(author, work, _RESTORE_SECONDS)

        for _ in GreenPool().imap(restore, authors):
            pass

    def _restore(self, author: str, moment: int) -> None:
        latest = self.history.latest(author, self.length)
        self.store.restore(author, latest, moment, self.length)


def pages(get: Callable[..., UsernamesDoc], username: str, page_size: int) -> Iterator[list[str]]:
    """Walk through all pages of ``get_followers`` or ``get_following``.

    The next page is on its way while one is used: of a million followers, each takes as long.
    """
    ask = partial(get, username, page_size=page_size)
    page = ask(start_token="")
    while page["next_token"]:
        # As whoever asks now: spans and lines of log tell of the same request.
        following = eventlet.spawn(copy_context().run, ask, start_token=page["next_token"])
        try:
            if page["usernames"]:
                yield page["usernames"]
            page = following.wait()
        finally:
            following.kill()
    if page["usernames"]:
        yield page["usernames"]


def _flagged(each: Iterator[T]) -> Iterator[tuple[T, bool]]:
    """Yield each, and whether it is the last."""
    for one in each:
        for following in each:
            yield one, False
            one = following
        yield one, True


def _followers(social_graph: SocialGraph, author: str) -> Iterator[list[str]]:
    return pages(social_graph.get_followers, author, _FOLLOWERS_A_PAGE)


def _insist(attempt: Callable[[], T], mend: Callable[[], None] = lambda: None) -> T:
    """Try again, after mending, when something was lost meanwhile, but not for ever."""
    for _ in range(_TRIES):
        try:
            return attempt()
        except Lost:
            mend()
    raise Unavailable("news_unsettled", "Your news are changing too fast; try again.")
