"""Social graph service: who follows whom."""

from nameko.rpc import rpc

from chassis import health
from chassis.database import Store
from chassis.errors import ServiceError
from chassis.outbox import EventDispatcher
from social_graph_svc import schemas
from social_graph_svc.domain import Side
from social_graph_svc.models import Base, OutboxEvent, OutboxLease
from social_graph_svc.store import FollowStore


class SocialGraphService(health.Health):
    """Own every follow: keep it, list it from both ends, and tell the others what changed."""

    name = "social_graph_svc"

    follows: FollowStore = Store(
        FollowStore, Base, events=EventDispatcher("follow-events", OutboxEvent, OutboxLease)
    )

    @rpc(expected_exceptions=ServiceError)
    def follow(self, username: str, followed: str) -> None:
        """Follow somebody; raise ``cannot_follow_yourself`` or ``already_following``."""
        self.follows.add(schemas.follow(username, followed))

    @rpc(expected_exceptions=ServiceError)
    def unfollow(self, username: str, followed: str) -> None:
        """Follow somebody no more; raise ``not_following``."""
        self.follows.remove(schemas.follow(username, followed))

    @rpc(expected_exceptions=ServiceError)
    def get_followers(
        self, username: str, start_token: str = "", page_size: int = 10
    ) -> schemas.PageDoc:
        """List who follows somebody, by name, up to 1,000 at a time; raise ``invalid_token``."""
        query = schemas.query(Side.FOLLOWERS, username, start_token, page_size)
        return schemas.dump(query.page(self.follows.names(query)))

    @rpc(expected_exceptions=ServiceError)
    def get_following(
        self, username: str, start_token: str = "", page_size: int = 10
    ) -> schemas.PageDoc:
        """List whom somebody follows, by name, up to 1,000 at a time; raise ``invalid_token``."""
        query = schemas.query(Side.FOLLOWING, username, start_token, page_size)
        return schemas.dump(query.page(self.follows.names(query)))
