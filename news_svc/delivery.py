"""Events on their way into the feeds of those who follow their authors."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from eventlet import GreenPool

from chassis import failpoints
from chassis.errors import Unavailable
from news_svc import metrics
from news_svc.domain import Published
from news_svc.history import History
from news_svc.people import SocialGraph, flagged, followers
from news_svc.store import FeedStore, Lost

_AUTHORS_AT_ONCE = 8
_TRIES = 5

NOT_YET = (0, 0)  # readers see nothing new

T = TypeVar("T")
Recorded = tuple[Published, int]  # and the time of its record


class Delivery:
    """Write events into feeds of ``length`` events each. Everything here may raise Unavailable."""

    store: FeedStore
    history: History
    length: int
    copies: int  # to more followers an author's events are not written

    def publish(self, published: Sequence[Published], social_graph: SocialGraph) -> None:
        """Write events that follow each other in the stream into the feeds of their followers.

        Readers see them when all of it is done; doing it again is harmless.
        """

        insist(lambda: self._publish(published, social_graph), self._open)

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
                for page in followers(social_graph, published.event.author):
                    self._write([(one, moment)], page)
                self.store.advance(published.sequence, moment)

        insist(attempt, self._open)

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
            return insist(lambda: self._record_restored(published))

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
        for page, is_last in flagged(followers(social_graph, author)):
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
        for page in followers(social_graph, author):
            self.store.mark(author, moment, page)
            failpoints.reach("feeds-delivered")
        self.store.pulled(author, moment)

    def _open(self) -> None:
        """See to it that there is a horizon: at first, all that the stream has now."""
        moment = self.store.moment()
        with suppress(Lost):
            self.store.open(self.history.end(), moment)

    def _restore(self, author: str, moment: int) -> None:
        latest = self.history.latest(author, self.length)
        self.store.restore(author, latest, moment, self.length)


def insist(attempt: Callable[[], T], mend: Callable[[], None] = lambda: None) -> T:
    """Try again, after mending, when something was lost meanwhile, but not for ever."""
    for _ in range(_TRIES):
        try:
            return attempt()
        except Lost:
            mend()
    raise Unavailable("news_unsettled", "Your news are changing too fast; try again.")
