"""Who may see a link, and what others are told of its changes."""

from enum import StrEnum


class Visibility(StrEnum):
    """Who may see a link, besides its owner."""

    PRIVATE = "private"
    FOLLOWERS = "followers"
    PUBLIC = "public"


class Audience(StrEnum):
    """Who looks at somebody's links."""

    OWNER = "owner"
    FOLLOWER = "follower"
    ANYONE = "anyone"

    @property
    def may_see(self) -> frozenset[Visibility]:
        """The links that are shown to them."""
        return _MAY_SEE[self]


DEFAULT = Visibility.FOLLOWERS
HIDDEN = "link.hidden"

_MAY_SEE = {
    Audience.OWNER: frozenset(Visibility),
    Audience.FOLLOWER: frozenset({Visibility.FOLLOWERS, Visibility.PUBLIC}),
    Audience.ANYONE: frozenset({Visibility.PUBLIC}),
}


def told(before: Visibility | None, after: Visibility | None) -> str:
    """Return the type of the event of a change, empty where it is nobody else's business.

    None stands for a link that was not there before, or is not any more. A link that becomes
    private is ``link.hidden``: what others knew of it goes, and they learn nothing new.
    """
    seen_before, seen_after = (each not in (None, Visibility.PRIVATE) for each in (before, after))
    if seen_after:
        return "link.updated" if before else "link.added"
    if seen_before:
        return HIDDEN if after else "link.deleted"
    return ""
