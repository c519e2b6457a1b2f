"""What others ask of imports: the payloads of their calls, and the workers that do them."""

import base64
import binascii
from typing import Any, TypedDict

from sqlalchemy import Row

from chassis import config
from chassis.database import Store
from chassis.errors import InvalidInput
from contracts.limits import URL_LENGTH
from link_svc import schemas
from link_svc.imports.importer import Importer
from link_svc.imports.store import MOST_ERRORS, ImportStore, check_piece, import_id
from link_svc.store import LinkStore


class ErrorDoc(TypedDict):
    """A link of the file that could not be imported, and why."""

    url: str
    code: str
    message: str


class ImportDoc(TypedDict):
    """How far an import is; ``total`` is not known at first."""

    id: str
    state: str
    total: int | None
    done: int
    added: int
    updated: int
    skipped: int
    failed: int
    errors: list[ErrorDoc]
    created_at: str
    changed_at: str


def begin(links: LinkStore, username: str, visibility: str, update_existing: bool) -> str:
    """Begin to receive a file."""
    if visibility:
        schemas.visibility(visibility)
    store = ImportStore(links.session)
    return str(store.begin(schemas.owner(username), visibility, bool(update_existing)))


def add_piece(links: LinkStore, username: str, id_: str, number: int, body: str) -> None:
    """Keep a piece of it, which comes in base64."""
    check_piece(number, body)
    try:
        piece = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("invalid_piece", "A piece comes in base64.", "body") from None
    ImportStore(links.session).add_piece(schemas.owner(username), import_id(id_), number, piece)


def start(links: LinkStore, username: str, id_: str) -> ImportDoc:
    """Let it begin."""
    ImportStore(links.session).start(schemas.owner(username), import_id(id_))
    return get(links, username, id_)


def get(links: LinkStore, username: str, id_: str) -> ImportDoc:
    """Tell how far it is."""
    return _dump(ImportStore(links.session).get(schemas.owner(username), import_id(id_)))


def cancel(links: LinkStore, username: str, id_: str) -> ImportDoc:
    """End it."""
    ImportStore(links.session).cancel(schemas.owner(username), import_id(id_))
    return get(links, username, id_)


def worker(container: Any) -> Importer:
    """Return one who does imports, on a session of its own of the service's store."""
    store = next(each for each in container.dependencies if isinstance(each, Store))
    session = store.Session()
    dispatcher: Any = store.events
    return Importer(
        store.store_cls(session, dispatcher.dispatch_for(session)),
        quota=config.positive_integer("MAX_LINKS_PER_USER"),
        longest_url=config.integer("MAX_URL_LENGTH", 1, URL_LENGTH),
    )


def _dump(row: Row[Any]) -> ImportDoc:
    return {
        "id": str(row.id),
        "state": row.state,
        "total": row.total,
        "done": row.done,
        "added": row.added,
        "updated": row.updated,
        "skipped": row.skipped,
        "failed": row.failed,
        "errors": row.errors[:MOST_ERRORS],
        "created_at": schemas.moment(row.created_at),
        "changed_at": schemas.moment(row.changed_at),
    }
