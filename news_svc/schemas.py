"""CloudEvents, RPC documents and protobuf messages in; domain values and messages out."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from chassis import errors
from news_svc import domain
from protos import news_pb2

if TYPE_CHECKING:
    from chassis.events import Event as CloudEvent

T = TypeVar("T")

_EVENT_TYPES = {
    domain.EventType.LINK_ADDED: news_pb2.LINK_ADDED,
    domain.EventType.LINK_UPDATED: news_pb2.LINK_UPDATED,
    domain.EventType.LINK_DELETED: news_pb2.LINK_DELETED,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86400
_ORDERS = {news_pb2.OLDEST: domain.Order.OLDEST, news_pb2.NEWEST: domain.Order.NEWEST}
# Of a visibility that we do not know, nobody reads. Events from before there were any have none.
_SHOWN = ("followers", "public")
_FOLLOWS = {"follow.added": True, "follow.removed": False}
# Somebody whom the subject followed has left; it does not say who that was.
_LAPSED = "follow.lapsed"


class UsernamesDoc(TypedDict):
    """A page of ``social_graph_svc.get_followers`` and ``get_following``."""

    usernames: list[str]
    next_token: str


def published(event: "CloudEvent", sequence: int) -> domain.Published:
    """Read an event of ``link-events``: data ``{"link": {"url", "title"}, "version"}``.

    A ``link`` may have a ``visibility``, and one that was hidden has no title.

    Raise ``unknown_event_type`` or ``invalid_event``; unknown fields are ignored.
    """
    if event.type not in set(domain.EventType):
        raise _unknown(event.type)
    link = _field(event.data, "link", dict)
    shown = link.get("visibility", "followers") in _SHOWN
    kind = domain.EventType(event.type) if shown else domain.EventType.LINK_HIDDEN
    happened = domain.Event(
        type=kind,
        author=event.subject,
        url=_field(link, "url", str),
        title="" if kind is domain.EventType.LINK_HIDDEN else _field(link, "title", str),
        time=_utc(event.time),
    )
    version = _field(event.data, "version", int)
    return domain.Published(happened, event.id, version, sequence)


def follow_change(event: "CloudEvent") -> domain.FollowChange:
    """Read an event of ``follow-events``: data ``{"followed", "version"}``.

    Raise ``unknown_event_type`` or ``invalid_event``; unknown fields are ignored.
    """
    if event.type not in _FOLLOWS:
        raise _unknown(event.type)
    return domain.FollowChange(
        follower=event.subject,
        followed=_field(event.data, "followed", str),
        follows=_FOLLOWS[event.type],
        version=_field(event.data, "version", int),
    )


def follower(event: "CloudEvent") -> str:
    """Read whose news an event of ``follow-events`` changes; see ``follow_change``."""
    if event.type == _LAPSED:
        return username(event.subject)
    return follow_change(event).follower


def username(name: object) -> str:
    """Read a user name; raise ``invalid_username``."""
    domain.check_username(name if isinstance(name, str) else "", "username")
    return str(name)


def news_query(request: news_pb2.GetNewsRequest) -> domain.NewsQuery:
    """Read a request; raise ``invalid_order`` and what ``NewsQuery.new`` raises."""
    order = _ORDERS.get(request.order)
    if order is None:
        raise errors.InvalidInput("invalid_order", "An order is OLDEST or NEWEST.", "order")
    return domain.NewsQuery.new(request.username, request.startToken, request.pageSize, order)


def news_page(page: domain.Page) -> news_pb2.GetNewsResponse:
    """Write a page as the reply."""
    return news_pb2.GetNewsResponse(
        events=[_message(event) for event in page.events], nextToken=page.next_token
    )


def refusal(error: errors.ServiceError) -> news_pb2.GetNewsResponse:
    """Write a refusal as the published contract has it: in ``err`` of an OK reply."""
    return news_pb2.GetNewsResponse(err=str(error))


def from_a_service(metadata: Iterable[tuple[str, Any]]) -> bool:
    """Tell whether a call comes from one of our services: they send nameko's call stack."""
    return any(name == "x-nameko-call_id_stack" for name, _ in metadata)


def _message(event: domain.Event) -> news_pb2.Event:
    # Timestamp.FromDatetime takes as long as all the rest.
    since = event.time - _EPOCH
    return news_pb2.Event(
        eventType=_EVENT_TYPES[event.type],
        username=event.author,
        url=event.url,
        title=event.title,
        timestamp=Timestamp(
            seconds=since.days * _DAY_SECONDS + since.seconds, nanos=since.microseconds * 1000
        ),
    )


def _utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise errors.InvalidInput("invalid_event", "The time is out of range.", "time") from None


def _field(document: dict[str, Any], name: str, kind: type[T]) -> T:
    value = document.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise errors.InvalidInput(
            "invalid_event", f"The event's {name} is missing or of the wrong kind.", name
        )
    return value


def _unknown(event_type: str) -> errors.InvalidInput:
    return errors.InvalidInput("unknown_event_type", f"Nobody here reads {event_type!r}.", "type")
