"""The services behind the gateway: news over gRPC, the others over RPC; and are they there?"""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypedDict

from nameko.extensions import DependencyProvider

from chassis import config, errors, grpc, rpc
from contracts import limits
from gateway.grants import Grant, Grants
from protos import news_pb2
from protos.news_pb2_grpc import NewsStub

_EPOCH = datetime(1970, 1, 1)
_TYPE_NAMES: dict[int, str] = {number: name for name, number in news_pb2.EventType.items()}
# Whom the probes ask about; it does not matter whether there is such a user.
NOBODY = "nobody"


class NewsEvent(TypedDict):
    """What somebody did to a link; the time is RFC 3339 in UTC."""

    event_type: str
    username: str
    url: str
    title: str
    timestamp: str


class NewsPage(TypedDict):
    """A page of somebody's news."""

    events: list[NewsEvent]
    next_token: str


class ServiceRpc(rpc.ServiceRpc):
    """A service without which the gateway is not ready.

    ``probe`` names a method of it that reads something of a user, and so tells whether the
    service has all that it needs itself.
    """

    def __init__(self, target_service: str, probe: str, **options: Any) -> None:
        super().__init__(target_service, **options)
        self.role = target_service
        self.probe = probe

    def check(self) -> None:
        """Raise Unavailable while the service, or what it needs, is away."""
        peer = self.get_dependency(SimpleNamespace(context_data={}))
        _answers(getattr(peer, self.probe), NOBODY)


class UserRpc(ServiceRpc):
    """user_svc, with its last word on a token kept for TOKEN_CACHE_SECONDS.

    So somebody's next request does not ask again. A revocation reaches the gateway that it goes
    through at once, and every other one after that time.
    """

    def setup(self) -> None:
        """Make room for what is kept, which has an end."""
        super().setup()
        self.grants = Grants(config.positive("TOKEN_CACHE_SECONDS"))

    def get_dependency(self, worker_ctx: Any) -> "Users":
        """Return the client for this worker."""
        return Users(super().get_dependency(worker_ctx), self.grants)


class Users:
    """user_svc as a worker sees it."""

    def __init__(self, peer: Any, grants: Grants) -> None:
        self._peer = peer
        self._grants = grants

    def __getattr__(self, method: str) -> Any:
        return getattr(self._peer, method)

    def verify_token(self, access_token: str) -> Grant:
        """Return whom a token speaks for; raise ``access_denied``."""
        grant = self._grants.get(access_token)
        if grant is None:
            asked_at = self._grants.now()
            grant = self._peer.verify_token(access_token)
            self._grants.keep(access_token, grant, asked_at)
        return grant

    def revoke_token(self, access_token: str) -> None:
        """Make a token good for nothing."""
        try:
            self._peer.revoke_token(access_token)
        finally:
            self._grants.forget(access_token)

    def delete_token(self, username: str, token_id: str) -> str:
        """Make one of somebody's tokens good for nothing; return its kind."""
        return self._changed(username, "delete_token", token_id)

    def delete_tokens(self, username: str, kind: str) -> int:
        """Make somebody's tokens of a kind, or all, good for nothing; return how many."""
        return self._changed(username, "delete_tokens", kind)

    def remove_user(self, username: str, confirm: str) -> None:
        """Remove somebody's account."""
        self._changed(username, "remove_user", confirm)

    def _changed(self, username: str, method: str, argument: str) -> Any:
        try:
            return getattr(self._peer, method)(username, argument)
        finally:
            self._grants.forget_all_of(username)


class News:
    """news_svc, without gRPC's words."""

    def __init__(self, stub: Any) -> None:
        self.stub = stub

    def get_news(
        self,
        username: str,
        start_token: str = "",
        page_size: int = limits.PAGE_SIZE,
        order: str = "oldest",
    ) -> NewsPage:
        """Return a page of somebody's news; raise ``invalid_token`` and the like."""
        response = self.stub.GetNews(
            news_pb2.GetNewsRequest(
                username=username,
                startToken=start_token,
                pageSize=page_size,
                order=news_pb2.NEWEST if order == "newest" else news_pb2.OLDEST,
            )
        )
        # Our own news_svc refuses with a status; the contract also has it so.
        if response.err:
            raise errors.InvalidInput("news_refused", response.err)
        return {"events": list(map(_event, response.events)), "next_token": response.nextToken}


class NewsClient(DependencyProvider):
    """Inject News."""

    role = "news_svc"
    client = grpc.GrpcClient(NewsStub, target_key="NEWS_GRPC_TARGET", target="news_svc")

    def get_dependency(self, worker_ctx: Any) -> News:
        """Return the client for this worker."""
        return News(self.client.get_dependency(worker_ctx))

    def check(self) -> None:
        """Raise Unavailable while the service, or what it needs, is away."""
        news = self.get_dependency(SimpleNamespace(context_data={}))
        _answers(news.get_news, NOBODY, "", 1)


def known_user(users: Any, name: str, field: str = "followed") -> str:
    """Return a user's name as they spell it; raise ``no_such_user``. ``users`` is user_svc."""
    try:
        username: str = users.get_user(name)["username"]
    except errors.NotFound as error:
        raise errors.NotFound(error.code, error.message, field) from None
    return username


def spelling(users: Any, name: str) -> str:
    """Return a user's name as they spell it, or as it is given if there is no such user."""
    try:
        return known_user(users, name)
    except errors.NotFound:
        return name


def _answers(probe: Callable[..., Any], *arguments: Any) -> None:
    """Probe; any answer will do but that nobody answers."""
    try:
        probe(*arguments)
    except (errors.Unavailable, errors.DeadlineExceeded):
        raise
    except errors.ServiceError:
        return


def _event(event: news_pb2.Event) -> NewsEvent:
    # Timestamp.ToDatetime takes as long as all the rest.
    time = event.timestamp
    happened = _EPOCH + timedelta(seconds=time.seconds, microseconds=time.nanos // 1000)
    return {
        # A news_svc newer than we may send a type without a name.
        "event_type": _TYPE_NAMES.get(event.eventType) or str(event.eventType),
        "username": event.username,
        "url": event.url,
        "title": event.title,
        "timestamp": happened.isoformat(timespec="microseconds") + "Z",
    }
