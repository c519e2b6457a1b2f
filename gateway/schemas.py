"""HTTP parameters → arguments of the services; their results → the bodies of the public API.

Rules about links, names and pages belong to the services that own them; here is only what HTTP
brings with it: numbers that arrive as text, and the names of the API's fields.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

from chassis import errors

Params = dict[str, Any]
Body = dict[str, Any]

DONE: Body = {"err": ""}
MAX_PAGE = 100

NEW_LINK = ("url", "title", "description", "tags")
LINK_CHANGES = ("url", "title", "description", "add_tags", "remove_tags")
LINK_QUERY = ("url_regex", "title_regex", "description_regex", "tag", "start_token", "order")
# Given several times in a query or a form, these are lists.
LISTS = ("tag", "tags", "add_tags", "remove_tags")


class Page(TypedDict):
    """Which part of a list is asked for."""

    start_token: str
    page_size: int


def new_link(params: Params) -> Params:
    """Return the link to save."""
    return _only(NEW_LINK, params)


def link_changes(params: Params) -> Params:
    """Return the link's URL and what shall change."""
    return _only(LINK_CHANGES, params)


def link_query(params: Params) -> Params:
    """Return filters and page of a listing; raise ``invalid_page_size``."""
    query = _only(LINK_QUERY, params)
    if "page_size" in params:
        query["page_size"] = _page_size(params)
    return query


def text(name: str, params: Params) -> str:
    """Return a parameter that must be there; raise ``missing_…`` or ``invalid_…``."""
    value = params.get(name, "")
    if not isinstance(value, str):
        raise errors.InvalidInput(f"invalid_{name}", f"{name} must be a text.", name)
    if not value:
        raise errors.InvalidInput(f"missing_{name}", f"{name} is missing.", name)
    return value


def page(params: Params) -> Page:
    """Return which page is asked for; raise ``invalid_token`` or ``invalid_page_size``."""
    token = params.get("start_token", "")
    if not isinstance(token, str):
        raise errors.InvalidInput("invalid_token", "start_token must be a text.", "start_token")
    return {"start_token": token, "page_size": _page_size(params)}


def newest_first(params: Params) -> bool:
    """Return whether the newest shall come first; raise ``invalid_order``."""
    order = params.get("order", "oldest")
    if order not in ("oldest", "newest"):
        raise errors.InvalidInput("invalid_order", "order must be oldest or newest.", "order")
    return bool(order == "newest")


def home(public_url: str, version: str) -> Body:
    """Tell a program what this is."""
    return {
        "err": "",
        "name": "Delinkcious",
        "version": version,
        "sign_in": f"{public_url}/login",
        "api": f"{public_url}/v1.0",
    }


def signed_in(profile: Body, result: Body) -> Body:
    """Dump who has signed in: the provider's profile, and our name and token for them."""
    ours = ("username", "access_token", "expires_at")
    return {"err": ""} | profile | {name: result[name] for name in ours}


def news(page: Mapping[str, Any]) -> Body:
    """Dump a page of news."""
    return {
        "err": "",
        "events": [
            {
                "EventType": event["event_type"],
                "Username": event["username"],
                "Url": event["url"],
                "Title": event["title"],
                "Timestamp": event["timestamp"],
            }
            for event in page["events"]
        ],
        "next_token": page["next_token"],
    }


def links(result: Body) -> Body:
    """Dump a page of links."""
    return {
        "err": "",
        "links": [_link(link) for link in result["links"]],
        "next_token": result["next_token"],
    }


def names(key: str, result: Body) -> Body:
    """Dump a page of user names, under ``key``, as the API has them: ``{"bob": true}``."""
    return {
        "err": "",
        key: dict.fromkeys(result["usernames"], True),
        "next_token": result["next_token"],
    }


def _link(link: Body) -> Body:
    return {
        "Url": link["url"],
        "Title": link["title"],
        "Description": link["description"],
        "Tags": dict.fromkeys(link["tags"], True),
        "Status": link["status"],
        "CreatedAt": link["created_at"],
        "UpdatedAt": link["updated_at"],
    }


def _only(known: tuple[str, ...], params: Params) -> Params:
    return {name: params[name] for name in known if name in params}


def _page_size(params: Params) -> int:
    """Return the page size: a whole number, also as text (a query has nothing else)."""
    value = params.get("page_size", 10)
    # Seven digits: int() of a very long text is slow.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 8:
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_PAGE:
        raise errors.InvalidInput(
            "invalid_page_size", f"page_size must be 1 to {MAX_PAGE}.", "page_size"
        )
    return value
