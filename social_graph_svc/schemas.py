"""Documents of the social graph service: RPC payload to domain value, and back."""

from typing import TypedDict

from chassis.errors import InvalidInput
from social_graph_svc import domain


class PageDoc(TypedDict):
    """Names in order, and the token of the next page, empty after the last."""

    usernames: list[str]
    next_token: str


def follow(username: str, followed: str) -> domain.Follow:
    """Read who follows whom; see domain.Follow for what is refused."""
    return domain.Follow(_name(username, "username"), _name(followed, "followed"))


def query(side: domain.Side, username: str, start_token: str, page_size: int) -> domain.Query:
    """Read a wish for a page; see domain.Query for what is refused."""
    if start_token is not None and not isinstance(start_token, str):
        raise InvalidInput("invalid_token", "The start_token must be a text.", "start_token")
    if not isinstance(page_size, int) or isinstance(page_size, bool):
        raise InvalidInput("invalid_page_size", "The page_size must be a number.", "page_size")
    return domain.Query.new(side, _name(username, "username"), start_token or "", page_size)


def dump(page: domain.Page) -> PageDoc:
    """Write a page."""
    return {"usernames": list(page.usernames), "next_token": page.next_token}


def _name(value: str | None, field: str) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidInput("invalid_username", f"The {field} must be a text.", field)
    return value or ""
