"""Link service: everyone's bookmarks."""

from nameko.rpc import rpc

from chassis import config, health, outbox
from chassis.database import Store
from chassis.errors import ServiceError
from link_svc import schemas
from link_svc.models import Base, OutboxEvent, OutboxLease
from link_svc.store import LinkStore


class LinkService(health.Health):
    """Own every link: keep it, list it, and tell the others what changed."""

    name = "link_svc"

    links: LinkStore = Store(
        LinkStore, Base, events=outbox.EventDispatcher("link-events", OutboxEvent, OutboxLease)
    )
    quota: int = config.positive_int("MAX_LINKS_PER_USER")

    @rpc(expected_exceptions=ServiceError)
    def add_link(self, username: str, link: schemas.NewLinkDoc) -> schemas.LinkDoc:
        """Save a link; raise ``invalid_url``, ``link_exists``, ``too_many_links`` and others."""
        new = schemas.new_link(username, link)
        return schemas.dump(self.links.add(new, quota=self.quota))

    @rpc(expected_exceptions=ServiceError)
    def update_link(self, username: str, changes: schemas.ChangesDoc) -> schemas.LinkDoc:
        """Change the given fields of a link; raise ``no_such_link``, ``too_many_tags`` and others.

        An empty title becomes the URL, an empty description stays empty.
        """
        return schemas.dump(self.links.update(schemas.changes(username, changes)))

    @rpc(expected_exceptions=ServiceError)
    def delete_link(self, username: str, url: str) -> None:
        """Delete a link; raise ``no_such_link``."""
        self.links.delete(schemas.key(username, url))

    @rpc(expected_exceptions=ServiceError)
    def get_links(
        self, username: str, query: schemas.QueryDoc | None = None, audience: str = "owner"
    ) -> schemas.PageDoc:
        """List somebody's links; raise ``invalid_regex``, ``invalid_token`` and others.

        ``audience`` says who looks: ``owner``, ``follower`` or ``anyone``. A page may be short,
        even empty, where few links match: go on while there is a token.
        """
        wanted = schemas.query(username, query or {}, audience)
        return schemas.page(wanted, self.links.page(wanted))
