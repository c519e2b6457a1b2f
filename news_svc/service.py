"""News service: everyone's news of the people they follow."""

from collections.abc import Callable, Iterator

from nameko_grpc.context import GrpcContext

from chassis import config, errors, events, grpc, health
from chassis.redis import RedisStore
from chassis.rpc import ServiceRpc
from news_svc import schemas
from news_svc.store import FeedStore
from protos.news_pb2 import GetNewsRequest, GetNewsResponse
from protos.news_pb2_grpc import NewsStub

FOLLOWERS_A_PAGE = 1000
# Fewer, because every author may have a whole feed's length of events to gather.
AUTHORS_A_PAGE = 100


class NewsService(health.Health):
    """Keep a feed for each user, and read it page by page."""

    name = "news_svc"

    feeds: FeedStore = RedisStore(FeedStore)
    social_graph = ServiceRpc("social_graph_svc")
    feed_length = config.positive_int("FEED_LENGTH")

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

    @events.nats_handler("link-events", durable="news")
    def on_link_event(self, event: events.Event, sequence: int) -> None:
        """Write what somebody did into the feeds of their followers; repeating it is harmless."""
        published = schemas.published(event, sequence)
        # First recorded, then delivered: whoever starts to follow in between, and so may not be
        # among the followers, finds the event among the author's latest (see on_follow_event).
        if self.feeds.record(published, self.feed_length):
            author = published.event.author
            for followers in _pages(self.social_graph.get_followers, author, FOLLOWERS_A_PAGE):
                self.feeds.deliver(published, followers, self.feed_length)

    @events.nats_handler("follow-events", durable="news-follows")
    def on_follow_event(self, event: events.Event, sequence: int) -> None:
        """Fit a feed to whom its owner follows now; repeating it is harmless.

        Following brings the author's latest events in. Leaving takes them out, and what they had
        crowded out comes back from the authors who are still followed.
        """
        change = schemas.follow_change(event)
        if not self.feeds.follow(change):
            return
        if change.follows:
            self.feeds.gather(change.follower, [change.followed], self.feed_length)
            return
        for authors in _pages(self.social_graph.get_following, change.follower, AUTHORS_A_PAGE):
            self.feeds.gather(change.follower, authors, self.feed_length)


def _pages(
    get: Callable[..., schemas.UsernamesDoc], username: str, page_size: int
) -> Iterator[list[str]]:
    """Walk through all pages of ``get_followers`` or ``get_following``."""
    start_token = ""
    while True:
        page = get(username, start_token=start_token, page_size=page_size)
        if page["usernames"]:
            yield page["usernames"]
        start_token = page["next_token"]
        if not start_token:
            return
