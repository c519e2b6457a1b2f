"""News service: everyone's news of the people they follow."""

from collections.abc import Sequence

from nameko.rpc import rpc
from nameko_grpc.context import GrpcContext

from chassis import errors, events, grpc, health
from chassis.rpc import ServiceRpc
from news_svc import schemas
from news_svc.feeds import Feeds
from news_svc.provider import FeedsProvider
from protos.news_pb2 import GetNewsRequest, GetNewsResponse
from protos.news_pb2_grpc import NewsStub


class NewsService(health.Health):
    """Keep a feed for each user, and read it page by page."""

    name = "news_svc"

    feeds: Feeds = FeedsProvider(
        links=("link-events", "news"), follows=("follow-events", "news-follows")
    )
    social_graph = ServiceRpc("social_graph_svc")
    users = ServiceRpc("user_svc")

    @grpc.implementing(NewsStub)
    def GetNews(self, request: GetNewsRequest, context: GrpcContext) -> GetNewsResponse:
        """Read a page of somebody's news.

        A bad request is refused in ``err`` of the reply, as the published contract has it, and
        with a gRPC status where one of our services asks.
        """
        try:
            return schemas.news_page(self.feeds.read(schemas.news_query(request)))
        except errors.InvalidInput as error:
            if schemas.from_a_service(context.invocation_metadata()):
                raise
            return schemas.refusal(error)

    @events.nats_batch_handler("link-events", durable="news")
    def on_link_events(self, batch: Sequence[events.Received]) -> None:
        """Write what people did into the feeds of their followers; repeating it is harmless."""
        published = [schemas.published(event, sequence) for event, sequence in batch]
        self.feeds.publish(published, self.social_graph)

    @events.nats_handler("follow-events", durable="news-follows")
    def on_follow_event(self, event: events.Event, sequence: int) -> None:
        """Fit a feed to whom its owner follows now; repeating it is harmless."""
        self.feeds.renew(schemas.follower(event))

    @events.nats_handler("user-events", durable="news-users")
    def on_user_event(self, event: events.Event, sequence: int) -> None:
        """Erase a person who has left, after everybody else; repeating it is harmless."""
        removal = self.users.get_removal(event.subject)
        if removal is not None:
            self.feeds.erase(schemas.username(removal["username"]), removal["left"])
            self.users.confirm_removal(event.subject, self.name)

    @rpc(expected_exceptions=errors.ServiceError)
    def replay_user_events(self, sequence: int, body: str) -> None:
        """Handle a dead letter of the stream again; repeating it is harmless."""
        self.on_user_event(events.Event.decode(body.encode()), sequence)

    @rpc(expected_exceptions=errors.ServiceError)
    def replay_link_events(self, sequence: int, body: str) -> None:
        """Handle a dead letter of the stream again, in its old place; repeating it is harmless."""
        event = events.Event.decode(body.encode())
        self.feeds.publish_late(schemas.published(event, sequence), self.social_graph)

    @rpc(expected_exceptions=errors.ServiceError)
    def replay_follow_events(self, sequence: int, body: str) -> None:
        """Handle a dead letter of the stream again; repeating it is harmless."""
        self.on_follow_event(events.Event.decode(body.encode()), sequence)

    @rpc(expected_exceptions=errors.ServiceError)
    def rebuild_feed(self, username: str) -> None:
        """Make somebody's feed if it is lost; Unavailable may mean that it takes long."""
        self.feeds.make(schemas.username(username))

    @rpc(expected_exceptions=errors.ServiceError)
    def forget_feeds(self) -> None:
        """Throw all feeds away; each is made when it is next read."""
        self.feeds.forget()
