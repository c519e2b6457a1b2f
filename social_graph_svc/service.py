"""Social graph service: who follows whom, and who has blocked whom."""

from nameko.rpc import rpc
from nameko.timer import timer

from chassis import config, events, health
from chassis.database import Store
from chassis.database.idempotency import FORGET_SECONDS, Write
from chassis.errors import ServiceError
from chassis.outbox import EventDispatcher
from chassis.rpc import ServiceRpc
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
    users = ServiceRpc("user_svc")
    key_hours: int = config.positive_int("IDEMPOTENCY_KEY_HOURS")

    @rpc(expected_exceptions=ServiceError)
    def follow(self, username: str, followed: str, idempotency_key: str = "") -> None:
        """Follow somebody; raise ``cannot_follow_yourself`` or ``already_following``.

        Who has blocked the caller is ``no_such_user``, whom the caller has, ``user_blocked``.
        """
        wanted = schemas.follow(username, followed)
        write = Write.of(username, idempotency_key, "follow", followed)
        self.follows.keys.once(write, lambda: self.follows.add(wanted), self.key_hours)

    @rpc(expected_exceptions=ServiceError)
    def unfollow(self, username: str, followed: str) -> None:
        """Follow somebody no more; raise ``not_following``."""
        self.follows.remove(schemas.unfollow(username, followed))

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

    @rpc(expected_exceptions=ServiceError)
    def block(self, username: str, blocked: str, idempotency_key: str = "") -> None:
        """Block somebody, so that neither follows the other; raise ``already_blocked``."""
        wanted = schemas.block(username, blocked)
        write = Write.of(username, idempotency_key, "block", blocked)
        self.follows.keys.once(write, lambda: self.follows.block(wanted), self.key_hours)

    @rpc(expected_exceptions=ServiceError)
    def unblock(self, username: str, blocked: str) -> None:
        """Block somebody no more; raise ``not_blocked``."""
        self.follows.unblock(schemas.unblock(username, blocked))

    @rpc(expected_exceptions=ServiceError)
    def get_blocked(
        self, username: str, start_token: str = "", page_size: int = 10
    ) -> schemas.PageDoc:
        """List whom somebody has blocked, by name; raise ``invalid_token``."""
        query = schemas.query(Side.BLOCKED, username, start_token, page_size)
        return schemas.dump(query.page(self.follows.names(query)))

    @rpc(expected_exceptions=ServiceError)
    def get_relation(self, viewer: str, username: str) -> schemas.RelationDoc:
        """Say what somebody who looks (``""`` for nobody we know) has to do with a person."""
        return schemas.dump_relation(self.follows.relation(*schemas.pair(viewer, username)))

    @rpc(expected_exceptions=ServiceError)
    def get_profile(self, viewer: str, username: str) -> schemas.ProfileDoc:
        """Say the same, and how many follow the person and are followed by them."""
        return schemas.dump_profile(self.follows.profile(*schemas.pair(viewer, username)))

    @timer(interval=FORGET_SECONDS)
    def forget_keys(self) -> None:
        """Delete the idempotency keys that have had their time."""
        self.follows.keys.forget(self.key_hours)

    @events.nats_handler("user-events", durable="follows")
    def on_user_event(self, event: events.Event, sequence: int) -> None:
        """Forget a person who has left; repeating it is harmless."""
        removal = self.users.get_removal(event.subject)
        if removal is not None:  # else it is finished, and the name may be another one's
            self.follows.forget(
                schemas.removal_id(event.subject), removal["username"], removal["settled"]
            )
            self.users.confirm_removal(event.subject, self.name)

    @rpc(expected_exceptions=ServiceError)
    def replay_user_events(self, sequence: int, body: str) -> None:
        """Handle a dead letter of the stream again; repeating it is harmless."""
        self.on_user_event(events.Event.decode(body.encode()), sequence)
