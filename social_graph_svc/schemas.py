"""Documents of the social graph service: RPC payload to domain value, and back."""

import uuid
from typing import TypedDict

from chassis.errors import InvalidInput
from social_graph_svc import domain


class PageDoc(TypedDict):
    """Names in order, and the token of the next page, empty after the last."""

    usernames: list[str]
    next_token: str


class RelationDoc(TypedDict):
    """What somebody who looks has to do with a person."""

    follows: bool
    blocks: bool
    is_blocked: bool


class ProfileDoc(RelationDoc):
    """The same, and how many people there are around that person."""

    followers: int
    following: int


def follow(username: str, followed: str) -> domain.Follow:
    """Read who follows whom; see domain.Follow for what is refused."""
    return domain.Follow(_name(username, "username"), _name(followed, "followed"))


def block(username: str, blocked: str) -> domain.Block:
    """Read who blocks whom; see domain.Block for what is refused."""
    return domain.Block(_name(username, "username"), _name(blocked, "blocked"))


def unfollow(username: str, followed: str) -> domain.Follow:
    """Read who follows whom no more; what can be nobody's name is ``not_following``."""
    if domain.can_be_nobody(_name(followed, "followed")):
        raise domain.not_following()
    return follow(username, followed)


def unblock(username: str, blocked: str) -> domain.Block:
    """Read who blocks whom no more; what can be nobody's name is ``not_blocked``."""
    if domain.can_be_nobody(_name(blocked, "blocked")):
        raise domain.not_blocked()
    return block(username, blocked)


def pair(viewer: str, username: str) -> tuple[str, str]:
    """Read who looks, empty for nobody we know, at whom; raise ``invalid_username``."""
    who, whom = _name(viewer, "viewer"), _name(username, "username")
    if who:
        domain.check_username(who, "viewer")
    domain.check_username(whom, "username")
    return who, whom


def query(side: domain.Side, username: str, start_token: str, page_size: int) -> domain.Query:
    """Read a wish for a page; see domain.Query for what is refused."""
    if start_token is not None and not isinstance(start_token, str):
        raise InvalidInput("invalid_token", "The start_token must be a text.", "start_token")
    if not isinstance(page_size, int) or isinstance(page_size, bool):
        raise InvalidInput("invalid_page_size", "The page_size must be a number.", "page_size")
    return domain.Query.new(side, _name(username, "username"), start_token or "", page_size)


def removal_id(value: str) -> uuid.UUID:
    """Read the id of a removal of a person; raise ``invalid_removal``."""
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput("invalid_removal", "This is no removal.", "removal") from None


def dump(page: domain.Page) -> PageDoc:
    """Write a page."""
    return {"usernames": list(page.usernames), "next_token": page.next_token}


def dump_relation(relation: domain.Relation) -> RelationDoc:
    """Write a relation."""
    return {
        "follows": relation.follows,
        "blocks": relation.blocks,
        "is_blocked": relation.is_blocked,
    }


def dump_profile(profile: domain.Profile) -> ProfileDoc:
    """Write a profile."""
    return {
        **dump_relation(profile.relation),
        "followers": profile.followers,
        "following": profile.following,
    }


def _name(value: str | None, field: str) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidInput("invalid_username", f"The {field} must be a text.", field)
    return value or ""
