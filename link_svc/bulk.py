"""Many changes of one person's links in one call: each is made, or refused, by itself."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, TypedDict

from chassis.errors import InvalidInput, ServiceError, Unavailable
from contracts.limits import BULK_CHANGES, URL_LENGTH
from link_svc import schemas
from link_svc.domain import Changes, Link, LinkKey, NewLink, Versions
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


# To be added, or to be changed so, or wrong in itself.
Change = NewLink | Callable[[LinkStore], Link] | InvalidInput


def changes(username: str, documents: Any, longest_url: int = URL_LENGTH) -> list[Change]:
    """Parse the changes; raise ``invalid_changes`` for the list itself."""
    if not isinstance(documents, list | tuple) or not 1 <= len(documents) <= BULK_CHANGES:
        message = f"changes must be a list of 1 to {BULK_CHANGES} objects."
        raise InvalidInput("invalid_changes", message, "changes")
    schemas.owner(username)
    return [_change(username, each, longest_url) for each in documents]


def make(username: str, wanted: list[Change], store: LinkStore, quota: int) -> list[ResultDoc]:
    """Make the changes in one transaction, and say what became of each."""
    runs = list(_runs(wanted))

    def do() -> list[ResultDoc]:
        return [_result(each) for run in runs for each in _made(run, store, quota)]

    # One run is one transaction by itself.
    return do() if len(runs) == 1 else store.together(username, do)


def _change(username: str, document: Any, longest_url: int) -> Change:
    try:
        if not isinstance(document, dict):
            raise InvalidInput("invalid_change", "A change must be an object.", "changes")
        return _parse(username, document, longest_url)
    except InvalidInput as error:
        return error


def _parse(username: str, document: dict[str, Any], longest_url: int) -> Change:
    fields: Any = document
    version = document.get("version")
    versions = schemas.versions(None if version is None else [version])
    match document.get("action"):
        case "add":
            return schemas.new_link(username, fields, longest_url)
        case "update":
            return partial(_update, schemas.changes(username, fields), versions)
        case "delete":
            return partial(_delete, schemas.key(username, fields.get("url")), versions)
    raise InvalidInput("invalid_action", "action must be add, update or delete.", "action")


def _update(wanted: Changes, versions: Versions, store: LinkStore) -> Link:
    return store.update(wanted, versions)


def _delete(key: LinkKey, versions: Versions, store: LinkStore) -> Link:
    return store.delete(key, versions)


def _runs(wanted: list[Change]) -> Iterator[list[Change]]:
    """Put together adds that follow each other, and among them what is wrong in itself."""

    def run(numbered: tuple[int, Change]) -> int:
        number, change = numbered
        return number if callable(change) else -1

    for _, some in groupby(enumerate(wanted), run):
        yield [change for _, change in some]


def _made(run: list[Change], store: LinkStore, quota: int) -> Iterator[Link | ServiceError]:
    """Make the changes of a run; yield what became of each."""
    added = iter(store.add_all([each for each in run if isinstance(each, NewLink)], quota))
    for change in run:
        if isinstance(change, NewLink):
            yield next(added)
        elif isinstance(change, InvalidInput):
            yield change
        else:
            yield _outcome(change, store)


def _outcome(change: Callable[[LinkStore], Link], store: LinkStore) -> Link | ServiceError:
    try:
        return change(store)
    except Unavailable:
        raise  # then none of them is made
    except ServiceError as error:
        return error


def _result(outcome: Link | ServiceError) -> ResultDoc:
    if isinstance(outcome, Link):
        return {"link": schemas.dump(outcome)}
    return {"error": [type(outcome).__name__, outcome.code, outcome.message, outcome.field]}
