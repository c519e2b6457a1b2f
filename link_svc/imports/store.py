"""Imports in PostgreSQL: the file in pieces, and how far it has come."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis.database.transactions import one_statement
from chassis.errors import AlreadyExists, InvalidInput, NotFound

HOLD_SECONDS = 10  # then another replica may go on
STALE_SECONDS = 120  # a file of which no piece has come for so long will not come
KEPT = 20  # imports of one person that are remembered
MOST_ERRORS = 20

_BEGIN = text(
    """
    WITH stale AS (
        DELETE FROM imports WHERE owner = :owner AND id <> :id AND (
            state = 'receiving'
                AND changed_at < clock_timestamp() - make_interval(secs => :stale)
            OR id IN (SELECT id FROM imports WHERE owner = :owner AND state NOT IN
                      ('receiving', 'waiting', 'running')
                      ORDER BY created_at DESC OFFSET :kept)
        )
    )
    SELECT
    """
)
_INSERT = text(
    """
    INSERT INTO imports (id, owner, state, update_existing, visibility)
    VALUES (:id, :owner, 'receiving', :update_existing, :visibility)
    """
)
_PIECE = text(
    """
    WITH here AS (
        UPDATE imports SET pieces = pieces + 1, changed_at = clock_timestamp()
         WHERE id = :id AND owner = :owner AND state = 'receiving' AND pieces = :number
        RETURNING id
    )
    INSERT INTO import_pieces (import_id, number, body) SELECT id, :number, :body FROM here
    RETURNING import_id
    """
)
_START = text(
    """
    UPDATE imports SET state = 'waiting', changed_at = clock_timestamp()
     WHERE id = :id AND owner = :owner AND state = 'receiving'
    """
)
_GET = text("SELECT * FROM imports WHERE id = :id AND owner = :owner")
_CANCEL = text(
    """
    WITH gone AS (DELETE FROM import_pieces USING imports
                   WHERE import_id = id AND id = :id AND owner = :owner)
    UPDATE imports SET state = 'cancelled', changed_at = clock_timestamp()
     WHERE id = :id AND owner = :owner AND state IN ('receiving', 'waiting', 'running')
    """
)
_CLAIM = text(
    """
    UPDATE imports SET state = 'running', holder = :holder,
           held_until = clock_timestamp() + make_interval(secs => :seconds)
     WHERE id = (SELECT id FROM imports
                  WHERE state = 'waiting'
                     OR state = 'running'
                        AND (held_until < clock_timestamp() OR holder = :holder)
                  ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
    """
)
_READ = text("SELECT body FROM import_pieces WHERE import_id = :id AND number = :number")
_ADVANCE = text(
    """
    UPDATE imports
       SET done = done + :done, added = added + :added, updated = updated + :updated,
           skipped = skipped + :skipped, failed = failed + :failed,
           total = coalesce(:total, total),
           errors = CASE WHEN jsonb_array_length(errors) < :most
                         THEN errors || CAST(:errors AS jsonb) ELSE errors END,
           held_until = clock_timestamp() + make_interval(secs => :seconds),
           changed_at = clock_timestamp()
     WHERE id = :id AND holder = :holder AND state = 'running'
    RETURNING id
    """
)
_FINISH = text(
    """
    WITH gone AS (DELETE FROM import_pieces WHERE import_id = :id)
    UPDATE imports SET state = :state, changed_at = clock_timestamp()
     WHERE id = :id AND holder = :holder AND state = 'running'
    """
)
_LET_GO = text(
    "UPDATE imports SET held_until = clock_timestamp() WHERE id = :id AND holder = :holder"
)


@dataclass
class Progress:
    """What became of some of a file's links."""

    done: int = 0
    added: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    total: int | None = None


class ImportStore:
    """Keep imports, on the session of a store of links."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def begin(self, owner: str, visibility: str, update_existing: bool) -> uuid.UUID:
        """Begin to receive a file; raise import_under_way."""
        values = {"id": uuid.uuid4(), "owner": owner}
        with one_statement(self.session):
            self.session.execute(_BEGIN, {**values, "stale": STALE_SECONDS, "kept": KEPT})
        wanted = {"visibility": visibility, "update_existing": update_existing}
        try:
            with one_statement(self.session):
                self.session.execute(_INSERT, {**values, **wanted})
        except IntegrityError as error:
            if "imports_open_key" not in str(error):
                raise
            message = "An import of yours is under way; wait for its end, or cancel it."
            raise AlreadyExists("import_under_way", message) from None
        return uuid.UUID(str(values["id"]))

    def add_piece(self, owner: str, id_: uuid.UUID, number: int, body: bytes) -> None:
        """Keep the next piece; raise no_such_import where it is not the next."""
        values = {"id": id_, "owner": owner, "number": number, "body": body}
        with one_statement(self.session):
            if self.session.execute(_PIECE, values).one_or_none() is None:
                raise _no_such_import()

    def start(self, owner: str, id_: uuid.UUID) -> None:
        """Let the import begin: the file is there."""
        with one_statement(self.session):
            self.session.execute(_START, {"id": id_, "owner": owner})

    def get(self, owner: str, id_: uuid.UUID) -> Row[Any]:
        """Return how far an import is; raise no_such_import."""
        with one_statement(self.session):
            row = self.session.execute(_GET, {"id": id_, "owner": owner}).one_or_none()
        if row is None:
            raise _no_such_import()
        return row

    def cancel(self, owner: str, id_: uuid.UUID) -> None:
        """End an import; what it has added stays. One that has ended stays as it is."""
        with one_statement(self.session):
            self.session.execute(_CANCEL, {"id": id_, "owner": owner})

    # ---- for whoever does the work

    def claim(self, holder: str) -> Row[Any] | None:
        """Take an import that waits, that somebody has left lying, or that was ours."""
        with one_statement(self.session):
            values = {"holder": holder, "seconds": HOLD_SECONDS}
            return self.session.execute(_CLAIM, values).one_or_none()

    def read(self, id_: uuid.UUID, pieces: int) -> Iterator[bytes]:
        """Yield the file, piece by piece."""
        for number in range(pieces):
            with one_statement(self.session):
                body = self.session.scalar(_READ, {"id": id_, "number": number})
            if body is None:  # cancelled
                return
            yield bytes(body)

    def advance(self, id_: uuid.UUID, holder: str, progress: Progress) -> bool:
        """Note progress, in the transaction of what was done; False: it is not ours any more."""
        values = {
            **vars(progress),
            "errors": json.dumps(progress.errors),
            "id": id_,
            "holder": holder,
            "seconds": HOLD_SECONDS,
            "most": MOST_ERRORS,
        }
        return self.session.execute(_ADVANCE, values).one_or_none() is not None

    def finish(self, id_: uuid.UUID, holder: str, state: str) -> None:
        """Note the end, and throw the file away."""
        with one_statement(self.session):
            self.session.execute(_FINISH, {"id": id_, "holder": holder, "state": state})

    def let_go(self, id_: uuid.UUID, holder: str) -> None:
        """Let another replica go on at once."""
        with one_statement(self.session):
            self.session.execute(_LET_GO, {"id": id_, "holder": holder})


def import_id(value: Any) -> uuid.UUID:
    """Read the id of an import; raise no_such_import for what is none."""
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise _no_such_import() from None


def check_piece(number: Any, body: Any) -> None:
    """Raise invalid_piece for what no piece can be."""
    if not isinstance(number, int) or not isinstance(body, str):
        raise InvalidInput("invalid_piece", "A piece has a number and a body in base64.", "body")


def _no_such_import() -> NotFound:
    return NotFound("no_such_import", "You have no import with this id.", "id")
