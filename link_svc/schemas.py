"""RPC payloads to domain values and back; page tokens; unknown fields are ignored."""

import base64
import hashlib
import json
import struct
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from chassis.errors import InvalidInput
from contracts.limits import PAGE_SIZE, URL_LENGTH
from link_svc import domain, listing
from link_svc.domain import LinkDoc as LinkDoc
from link_svc.search import language
from link_svc.visibility import Audience, Visibility

# A list, an object of tag: true, or one comma-separated text.
TagsDoc = list[str] | dict[str, bool] | str

_PATTERN_PARTS = ("url", "title", "description")
_TOKEN = struct.Struct(">Bqq16s")  # version, microseconds since 1970, id, fingerprint
_TOKEN_VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NewLinkDoc(TypedDict, total=False):
    """A link to add; only ``url`` is needed."""

    url: str
    title: str
    description: str
    tags: TagsDoc
    visibility: str


class ChangesDoc(TypedDict, total=False):
    """What to change in the link with this ``url``; what is left out stays."""

    url: str
    title: str
    description: str
    add_tags: TagsDoc
    remove_tags: TagsDoc
    visibility: str


class QueryDoc(TypedDict, total=False):
    """Which links to list; everything may be left out."""

    url_regex: str
    title_regex: str
    description_regex: str
    q: str
    tag: TagsDoc
    start_token: str
    page_size: int
    order: str
    visibility: str


class PageDoc(TypedDict):
    """A part of a listing; ``next_token`` is empty on the last, and ``links`` may be short."""

    links: list[LinkDoc]
    next_token: str


def owner(username: str) -> str:
    """Parse whose links are meant; raise missing_username or invalid_username."""
    name = _text({"username": username}, "username")
    domain.check_owner(name)
    return name


def key(username: str, url: str) -> domain.LinkKey:
    """Parse the name of a link."""
    return domain.LinkKey(_text({"username": username}, "username"), _text({"url": url}, "url"))


def new_link(username: str, document: NewLinkDoc, longest_url: int = URL_LENGTH) -> domain.NewLink:
    """Parse a link to add."""
    fields = _fields(document)
    link_key = key(username, _text(fields, "url"))
    domain.check_length(link_key.url, "url", longest_url)
    return domain.NewLink(
        link_key,
        _text(fields, "title"),
        _text(fields, "description"),
        _tags(fields, "tags"),
        _visibility(fields),
    )


def changes(username: str, document: ChangesDoc) -> domain.Changes:
    """Parse the changes to a link."""
    fields = _fields(document)
    return domain.Changes(
        key(username, _text(fields, "url")),
        _text(fields, "title") if fields.get("title") is not None else None,
        _text(fields, "description") if fields.get("description") is not None else None,
        _tags(fields, "add_tags"),
        _tags(fields, "remove_tags"),
        _visibility(fields),
    )


def versions(given: Any) -> domain.Versions:
    """Parse which versions of a link a change is meant for; None: any."""
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise InvalidInput("invalid_version", "Versions are a list of texts.", "version")
    return frozenset(given)


def query(username: str, document: QueryDoc, audience: str = Audience.OWNER) -> listing.Query:
    """Parse what to list; raise invalid_query, invalid_token, invalid_order and others."""
    fields = _fields(document)
    wanted = listing.Query(
        _text({"username": username}, "username"),
        tuple(
            listing.Pattern(part, text)
            for part in _PATTERN_PARTS
            if (text := _text(fields, f"{part}_regex"))
        ),
        _tags(fields, "tag"),
        _order(_text(fields, "order")),
        _page_size(fields.get("page_size")),
        visibility=_visibility(fields),
        audience=viewer(audience),
        search=None if fields.get("q") is None else language.parse(_text(fields, "q")),
    )
    start = _text(fields, "start_token")
    return replace(wanted, after=_position(wanted, start)) if start else wanted


def viewer(audience: str) -> Audience:
    """Parse who looks at somebody's links; raise invalid_audience."""
    try:
        return Audience(audience)
    except ValueError:
        names = ", ".join(Audience)
        raise InvalidInput("invalid_audience", f"An audience is {names}.", "audience") from None


def visibility(value: str, field: str = "visibility") -> Visibility:
    """Parse who may see a link; raise invalid_visibility."""
    try:
        return Visibility(value)
    except ValueError:
        names = ", ".join(Visibility)
        raise InvalidInput("invalid_visibility", f"{field} is one of {names}.", field) from None


def removal_id(value: str) -> uuid.UUID:
    """Read the id of a removal of a person; raise ``invalid_removal``."""
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput("invalid_removal", "This is no removal.", "removal") from None


def moment(time: datetime) -> str:
    """Return a time as it crosses the wire: RFC 3339 in UTC."""
    return domain.rfc3339(time)


def dump(link: domain.Link) -> LinkDoc:
    """Return a link as it crosses the wire."""
    return link.document()


def page(wanted: listing.Query, part: listing.Page) -> PageDoc:
    """Return a part of a listing as it crosses the wire."""
    return {"links": part.links, "next_token": token(wanted, part.next)}


def token(wanted: listing.Query, position: listing.Position | None) -> str:
    """Return the token with which a listing goes on after a row; nothing, where it has ended."""
    return _token(wanted, position) if position else ""


def _fields(document: Any) -> Mapping[str, Any]:
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise InvalidInput("invalid_parameters", "The parameters must be an object.")
    return document


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput("invalid_text", f"{name} must be a text.", name)
    return value


def _tags(fields: Mapping[str, Any], name: str) -> frozenset[str]:
    value = fields.get(name)
    if value is None:
        return frozenset()
    if isinstance(value, str):
        # In a text, a comma too many is a slip of the hand; in a list, an empty tag is a mistake.
        return frozenset(tag.strip() for tag in value.split(",") if tag.strip())
    if isinstance(value, Mapping) and all(isinstance(on, bool) for on in value.values()):
        value = [tag for tag, on in value.items() if on]
    if not isinstance(value, list | tuple) or not all(isinstance(tag, str) for tag in value):
        message = f"{name} is a list, an object of tag: true, or a text with commas."
        raise InvalidInput("invalid_tag", message, name)
    return frozenset(tag.strip() for tag in value)


def _visibility(fields: Mapping[str, Any]) -> Visibility | None:
    """Return None where it is left out or empty."""
    name = _text(fields, "visibility")
    return visibility(name) if name else None


def _order(text: str) -> listing.Order:
    try:
        return listing.Order(text or listing.Order.OLDEST)
    except ValueError:
        names = " or ".join(listing.Order)
        raise InvalidInput("invalid_order", f"order is {names}.", "order") from None


def _page_size(value: Any) -> int:
    """Accept a number, or its digits as they stand in a query string; default 10."""
    if value is None or value == "":
        return PAGE_SIZE
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        value = 0
    return value


def _token(wanted: listing.Query, position: listing.Position) -> str:
    """Name the last row shown, bound to the listing that showed it.

    The fingerprint is no secret: whoever computes one can only move about in their own links.
    """
    time = (position.created_at - _EPOCH) // timedelta(microseconds=1)
    raw = _TOKEN.pack(_TOKEN_VERSION, time, position.id, _fingerprint(wanted, time, position.id))
    return base64.urlsafe_b64encode(raw).decode()


def _position(wanted: listing.Query, token: str) -> listing.Position:
    try:
        version, time, id_, fingerprint = _TOKEN.unpack(_bytes(token))
        if version == _TOKEN_VERSION and fingerprint == _fingerprint(wanted, time, id_):
            return listing.Position(_EPOCH + timedelta(microseconds=time), id_)
    except (ValueError, struct.error, OverflowError):
        pass  # no base64, of another length, or a time that there never was
    message = "start_token is not one that this listing gave."
    raise InvalidInput("invalid_token", message, "start_token")


def _bytes(token: str) -> bytes:
    """Decode the one spelling that we give: base64 takes others, with ``+`` and surplus ``=``."""
    if len(token) > 2 * _TOKEN.size:
        raise ValueError("too long")
    raw = base64.urlsafe_b64decode(token)
    if base64.urlsafe_b64encode(raw).decode() != token:
        raise ValueError("spelled otherwise")
    return raw


def _fingerprint(wanted: listing.Query, time: int, id_: int) -> bytes:
    patterns = [[pattern.part, pattern.text] for pattern in wanted.patterns]
    listing = [wanted.owner, patterns, sorted(wanted.tags), wanted.order.value, time, id_]
    if wanted.visibilities != frozenset(Visibility):
        listing.append(sorted(wanted.visibilities))
    if wanted.search is not None:
        listing.append({"q": str(wanted.search)})
    return hashlib.blake2b(json.dumps(listing).encode(), digest_size=16).digest()
