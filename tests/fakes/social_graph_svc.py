"""Follows in memory, with the rules of the real store."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from social_graph_svc import domain


class FakeFollowStore:
    """See social_graph_svc.store.FollowStore."""

    def __init__(self, dispatch: Callable[[str, str, dict[str, Any]], None]) -> None:
        self.dispatch = dispatch
        self.follows: set[domain.Follow] = set()
        self.versions: Counter[str] = Counter()

    def add(self, follow: domain.Follow) -> None:
        if follow in self.follows:
            raise domain.already_following()
        self.follows.add(follow)
        self._tell(domain.FOLLOW_ADDED, follow)

    def remove(self, follow: domain.Follow) -> None:
        if follow not in self.follows:
            raise domain.not_following()
        self.follows.remove(follow)
        self._tell(domain.FOLLOW_REMOVED, follow)

    def names(self, query: domain.Query) -> Sequence[str]:
        if query.side is domain.Side.FOLLOWERS:
            found = {f.follower for f in self.follows if f.followed == query.username}
        else:
            found = {f.followed for f in self.follows if f.follower == query.username}
        return sorted(name for name in found if name > query.after)[: query.size + 1]

    def _tell(self, event_type: str, follow: domain.Follow) -> None:
        self.versions[follow.follower] += 1
        version = self.versions[follow.follower]
        self.dispatch(
            event_type, follow.follower, {"followed": follow.followed, "version": version}
        )
