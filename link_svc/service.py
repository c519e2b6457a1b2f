"""Link service: everyone's bookmarks."""

from collections.abc import Callable
from functools import partial

from nameko.rpc import rpc
from nameko.timer import timer

from chassis import config, events, health, outbox
from chassis.background import Background
from chassis.database import Store
from chassis.database.idempotency import FORGET_SECONDS, Write
from chassis.errors import ServiceError
from chassis.rpc import ServiceRpc
from contracts.limits import URL_LENGTH
from link_svc import bulk, schemas
from link_svc.adds import Adds
from link_svc.exports import service as exports
from link_svc.imports import service as imports
from link_svc.models import Base, OutboxEvent, OutboxLease
from link_svc.search.filling import FILL_SECONDS
from link_svc.store import LinkStore

_longest_url = partial(config.integer, least=1, most=URL_LENGTH)


class LinkService(health.Health):
    """Own every link: keep it, list it, and tell the others what changed."""

    name = "link_svc"

    links: LinkStore = Store(
        partial(LinkStore, adds=Adds()),
        Base,
        events=outbox.EventDispatcher("link-events", OutboxEvent, OutboxLease),
    )
    users = ServiceRpc("user_svc")
    wake_importers: Callable[[], None] = Background(imports.worker, at_once=2)
    quota: int = config.positive_int("MAX_LINKS_PER_USER")
    longest_url: int = config.Setting(_longest_url, "MAX_URL_LENGTH")
    key_hours: int = config.positive_int("IDEMPOTENCY_KEY_HOURS")

    @rpc(expected_exceptions=ServiceError)
    def add_link(
        self, username: str, link: schemas.NewLinkDoc, idempotency_key: str = ""
    ) -> schemas.LinkDoc:
        """Save a link; raise ``invalid_url``, ``link_exists``, ``too_many_links`` and others."""
        new = schemas.new_link(username, link, self.longest_url)
        write = Write.of(username, idempotency_key, "add_link", link)
        return self.links.add_once(write, new, self.quota, self.key_hours)

    @rpc(expected_exceptions=ServiceError)
    def update_link(
        self, username: str, changes: schemas.ChangesDoc, versions: list[str] | None = None
    ) -> schemas.LinkDoc:
        """Change the given fields of a link; raise ``no_such_link``, ``too_many_tags`` and others.

        An empty title becomes the URL, an empty description stays empty. Where ``versions`` are
        given and the link is none of them, raise ``link_changed``.
        """
        wanted = schemas.changes(username, changes)
        return schemas.dump(self.links.update(wanted, schemas.versions(versions)))

    @rpc(expected_exceptions=ServiceError)
    def delete_link(self, username: str, url: str, versions: list[str] | None = None) -> None:
        """Delete a link; raise ``no_such_link`` or ``link_changed``."""
        self.links.delete(schemas.key(username, url), schemas.versions(versions))

    @rpc(expected_exceptions=ServiceError)
    def change_links(
        self, username: str, changes: list[bulk.ChangeDoc], idempotency_key: str = ""
    ) -> list[bulk.ResultDoc]:
        """Add, change and delete links, in order, each as if alone; raise ``invalid_changes``.

        What cannot be done is said in its result. All are committed together.
        """
        wanted = bulk.changes(username, changes, self.longest_url)
        write = Write.of(username, idempotency_key, "change_links", changes)
        return self.links.keys.once(
            write, lambda: bulk.make(username, wanted, self.links, self.quota), self.key_hours
        )

    @rpc(expected_exceptions=ServiceError)
    def get_link(self, username: str, url: str) -> schemas.LinkDoc:
        """Return one of one's links; raise ``no_such_link``."""
        return schemas.dump(self.links.get(schemas.key(username, url)))

    @timer(interval=FORGET_SECONDS)
    def forget_keys(self) -> None:
        """Delete the idempotency keys that have had their time."""
        self.links.keys.forget(self.key_hours)

    @timer(interval=FILL_SECONDS)
    def fill_words(self) -> None:
        """Make links that a release before has written found by searches."""
        self.links.fill_words()

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

    @rpc(expected_exceptions=ServiceError)
    def count_links(self, username: str, audience: str = "owner") -> int:
        """Count the links of somebody's that an audience may see."""
        return self.links.count(schemas.owner(username), schemas.viewer(audience))

    @rpc(expected_exceptions=ServiceError)
    def get_default_visibility(self, username: str) -> str:
        """Say who may see a link that is added without a word about it."""
        return self.links.default_visibility(schemas.owner(username))

    @rpc(expected_exceptions=ServiceError)
    def set_default_visibility(self, username: str, visibility: str) -> None:
        """Change it, for links that are added from now on; raise ``invalid_visibility``."""
        wanted = schemas.visibility(visibility, "default_visibility")
        self.links.set_default_visibility(schemas.owner(username), wanted)

    @rpc(expected_exceptions=ServiceError)
    def begin_import(self, username: str, visibility: str, update_existing: bool) -> str:
        """Begin to receive a file of links; return its id, or raise ``import_under_way``."""
        return imports.begin(self.links, username, visibility, update_existing)

    @rpc(expected_exceptions=ServiceError)
    def add_import_piece(self, username: str, import_id: str, number: int, body: str) -> None:
        """Keep the next piece of the file, in base64; raise ``no_such_import``."""
        imports.add_piece(self.links, username, import_id, number, body)

    @rpc(expected_exceptions=ServiceError)
    def start_import(self, username: str, import_id: str) -> imports.ImportDoc:
        """Import the file that has come, in the background; raise ``no_such_import``."""
        started = imports.start(self.links, username, import_id)
        self.wake_importers()
        return started

    @rpc(expected_exceptions=ServiceError)
    def get_import(self, username: str, import_id: str) -> imports.ImportDoc:
        """Tell how far an import is; raise ``no_such_import``."""
        return imports.get(self.links, username, import_id)

    @rpc(expected_exceptions=ServiceError)
    def cancel_import(self, username: str, import_id: str) -> imports.ImportDoc:
        """End an import; what it has added stays. Raise ``no_such_import``."""
        return imports.cancel(self.links, username, import_id)

    @rpc(expected_exceptions=ServiceError)
    def export_links(
        self, username: str, file_format: str, start_token: str = ""
    ) -> exports.PartDoc:
        """Write somebody's links as a file, part by part; raise ``invalid_format``.

        The file is the texts of all parts, until one has no ``next_token``.
        """
        return exports.part(self.links, username, file_format, start_token)

    @events.nats_handler("user-events", durable="links")
    def on_user_event(self, event: events.Event, sequence: int) -> None:
        """Forget a person who has left; repeating it is harmless."""
        removal = self.users.get_removal(event.subject)
        if removal is not None:  # else it is finished, and the name may be another one's
            self.links.forget(
                schemas.removal_id(event.subject), removal["username"], removal["settled"]
            )
            self.users.confirm_removal(event.subject, self.name)

    @rpc(expected_exceptions=ServiceError)
    def replay_user_events(self, sequence: int, body: str) -> None:
        """Handle a dead letter of the stream again; repeating it is harmless."""
        self.on_user_event(events.Event.decode(body.encode()), sequence)
