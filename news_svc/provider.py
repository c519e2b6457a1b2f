"""What the service is given: the feeds, with all that they are made of."""

from types import SimpleNamespace
from typing import Any

from chassis import config
from chassis.redis import RedisStore
from chassis.rpc import ServiceRpc
from news_svc.erasure import Erasure
from news_svc.feeds import Feeds
from news_svc.history import History
from news_svc.store import FeedStore


class Peer(ServiceRpc):
    """A peer of another provider, not of a worker."""

    def bind(self, container: Any, attr_name: str = "") -> "Peer":
        """Bind to the provider; nameko (3.0.0rc11) wants the name of a service's attribute."""
        bound: Peer = super().bind(container, attr_name)
        return bound


class FeedsProvider(RedisStore):
    """Inject Feeds of what is in two streams, the same for all workers.

    Each stream is given with the name of the durable consumer that reads it.
    """

    peer = Peer("social_graph_svc")

    def __init__(self, links: tuple[str, str], follows: tuple[str, str]) -> None:
        super().__init__(FeedStore)
        self.links, self.follows = links, follows
        self.history = History(links[0])

    def setup(self) -> None:
        """Read the configuration; the servers may still be away."""
        super().setup()
        self.length = config.positive_integer("FEED_LENGTH")
        self.copies = config.positive_integer("FEED_COPIES")
        self.store = FeedStore(self.client, config.positive_integer("FEED_IDLE_DAYS") * 86_400)

    def start(self) -> None:
        """Put the parts together: a feed may outlast the worker that asked for it."""
        social_graph = self.peer.get_dependency(SimpleNamespace(context_data={}))
        erasure = Erasure(self.store, self.links, self.follows)
        self.feeds = Feeds(
            self.store, self.history, social_graph, self.length, self.copies, erasure
        )

    def get_dependency(self, worker_ctx: Any) -> Feeds:
        """Return the feeds."""
        return self.feeds
