"""Follows in memory, with the rules of the real store."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from social_graph_svc import domain
from tests.fakes.link_svc import FakeKeys


class FakeFollowStore:
    """See social_graph_svc.store.FollowStore."""

    def __init__(self, dispatch: Callable[[str, str, dict[str, Any]], None]) -> None:
        self.dispatch = dispatch
        self.follows: set[domain.Follow] = set()
        self.blocks: set[domain.Block] = set()
        self.versions: Counter[str] = Counter()
        self.keys = FakeKeys()

    def add(self, follow: domain.Follow) -> None:
        relation = self.relation(follow.follower, follow.followed)
        if relation.is_blocked:
            raise domain.no_such_user()
        if relation.blocks:
            raise domain.user_blocked()
        if follow in self.follows:
            raise domain.already_following()
        self.follows.add(follow)
        self._tell(domain.FOLLOW_ADDED, follow)

    def remove(self, follow: domain.Follow) -> None:
        if follow not in self.follows:
            raise domain.not_following()
        self.follows.remove(follow)
        self._tell(domain.FOLLOW_REMOVED, follow)

    def block(self, block: domain.Block) -> None:
        if block in self.blocks:
            raise domain.already_blocked()
        self.blocks.add(block)
        for pair in (block.pair, block.pair[::-1]):
            if (follow := domain.Follow(*pair)) in self.follows:
                self.remove(follow)

    def unblock(self, block: domain.Block) -> None:
        if block not in self.blocks:
            raise domain.not_blocked()
        self.blocks.remove(block)

    def relation(self, viewer: str, username: str) -> domain.Relation:
        return domain.Relation(
            any((f.follower, f.followed) == (viewer, username) for f in self.follows),
            any(block.pair == (viewer, username) for block in self.blocks),
            any(block.pair == (username, viewer) for block in self.blocks),
        )

    def profile(self, viewer: str, username: str) -> domain.Profile:
        followers = sum(follow.followed == username for follow in self.follows)
        following = sum(follow.follower == username for follow in self.follows)
        return domain.Profile(self.relation(viewer, username), followers, following)

    def names(self, query: domain.Query) -> Sequence[str]:
        if query.side is domain.Side.FOLLOWERS:
            found = {f.follower for f in self.follows if f.followed == query.username}
        elif query.side is domain.Side.BLOCKED:
            found = {b.blocked for b in self.blocks if b.blocker == query.username}
        else:
            found = {f.followed for f in self.follows if f.follower == query.username}
        return sorted(name for name in found if name > query.after)[: query.size + 1]

    def _tell(self, event_type: str, follow: domain.Follow) -> None:
        self.versions[follow.follower] += 1
        version = self.versions[follow.follower]
        self.dispatch(
            event_type, follow.follower, {"followed": follow.followed, "version": version}
        )
