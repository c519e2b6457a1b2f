"""Many changes of one person's links in one call: each is made, or refused, by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

from chassis.errors import InvalidInput, ServiceError, Unavailable
from contracts.limits import BULK_CHANGES, URL_LENGTH
from link_svc import schemas
from link_svc.domain import Link
from link_svc.store import LinkStore


class ChangeDoc(TypedDict, total=False):
    """What to do (``add``, ``update`` or ``delete``), and the fields that belong to it.

    With a ``version``, an update or a deletion is for the link of that version alone.
    """

    action: str
    url: str
    version: str


class ResultDoc(TypedDict, total=False):
    """What became of a change: the link as it is or was, or the kind of error and what it says."""

    link: schemas.LinkDoc
    error: list[str]


@dataclass(frozen=True)
class _Refused:
    error: ServiceError


Change = Callable[[LinkStore, int], Link] | _Refused


def changes(username: str, documents: Any, longest_url: int = URL_LENGTH) -> list[Change]:
    """Parse the changes; raise ``invalid_changes`` for the list itself."""
    if not isinstance(documents, list | tuple) or not 1 <= len(documents) <= BULK_CHANGES:
        message = f"changes must be a list of 1 to {BULK_CHANGES} objects."
        raise InvalidInput("invalid_changes", message, "changes")
    schemas.owner(username)
    return [_change(username, each, longest_url) for each in documents]


def make(username: str, wanted: list[Change], store: LinkStore, quota: int) -> list[ResultDoc]:
    """Make the changes in one transaction, and say what became of each."""
    return store.together(username, lambda: [_result(each, store, quota) for each in wanted])


def _change(username: str, document: Any, longest_url: int) -> Change:
    try:
        if not isinstance(document, dict):
            raise InvalidInput("invalid_change", "A change must be an object.", "changes")
        return _parse(username, document, longest_url)
    except InvalidInput as error:
        return _Refused(error)


def _parse(username: str, document: dict[str, Any], longest_url: int) -> Change:
    fields: Any = document
    version = document.get("version")
    versions = schemas.versions(None if version is None else [version])
    match document.get("action"):
        case "add":
            return partial(_add, schemas.new_link(username, fields, longest_url))
        case "update":
            return partial(_update, schemas.changes(username, fields), versions)
        case "delete":
            return partial(_delete, schemas.key(username, fields.get("url")), versions)
    raise InvalidInput("invalid_action", "action must be add, update or delete.", "action")


def _add(new: Any, store: LinkStore, quota: int) -> Link:
    return store.add(new, quota=quota)


def _update(wanted: Any, versions: Any, store: LinkStore, _quota: int) -> Link:
    return store.update(wanted, versions)


def _delete(key: Any, versions: Any, store: LinkStore, _quota: int) -> Link:
    return store.delete(key, versions)


def _result(change: Change, store: LinkStore, quota: int) -> ResultDoc:
    try:
        if isinstance(change, _Refused):
            raise change.error
        return {"link": schemas.dump(change(store, quota))}
    except Unavailable:
        raise  # then none of them is made
    except ServiceError as error:
        return {"error": [type(error).__name__, error.code, error.message, error.field]}
