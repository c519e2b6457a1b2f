"""Forgetting people who have left: their links go, some at a time, and then their counters."""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from chassis.errors import Unavailable

_AT_ONCE = 1000  # so that a statement is far from its time limit

# Each says again that the removal is not finished. When it is, the name may be another person's,
# and a process that was frozen meanwhile must not touch what is theirs.
_DELETE_SOME = text(
    """
    DELETE FROM links WHERE id IN (
        SELECT id FROM links
         WHERE owner = :owner AND NOT EXISTS (SELECT FROM forgotten WHERE removal = :removal)
         LIMIT :most)
    """
)
_FINISH = text(
    """
    INSERT INTO forgotten (removal) VALUES (:removal) ON CONFLICT DO NOTHING RETURNING removal
    """
)
# The owner's row first: its lock waits for the last change that is under way.
_DELETE_OWNER = text("DELETE FROM owners WHERE owner = :owner")
_DELETE_REST = text("DELETE FROM links WHERE owner = :owner")
_DELETE_KEYS = text("DELETE FROM idempotency_keys WHERE owner = :owner")
# First of all, and again in the end: what an import is adding goes on until its row is gone.
_DELETE_IMPORTS = text(
    """
    DELETE FROM imports
     WHERE owner = :owner AND NOT EXISTS (SELECT FROM forgotten WHERE removal = :removal)
    """
)
_UNTOLD = text("SELECT 1 FROM outbox WHERE subject = :owner LIMIT 1")


class Forgetting:
    """Forget people; each transaction may be repeated."""

    session: Session

    def forget(self, removal: uuid.UUID, owner: str, settled: bool) -> None:
        """Delete all that a person has, and note that it is done.

        Raise Unavailable where it is to be done again: before it is ``settled``, or while the
        last events of theirs are on their way to the stream, from which they go after that.
        """
        with self.session.begin():
            self.session.execute(_DELETE_IMPORTS, {"removal": removal, "owner": owner})
        while self._delete_some(removal, owner):
            pass
        if not settled:
            raise Unavailable("requests_under_way", "Requests may still be under way.")
        with self.session.begin():
            # Before the owner's row, as an import has it; and before the removal is finished.
            self.session.execute(_DELETE_IMPORTS, {"removal": removal, "owner": owner})
            if self.session.execute(_FINISH, {"removal": removal}).one_or_none() is None:
                return
            self.session.execute(_DELETE_OWNER, {"owner": owner})
            self.session.execute(_DELETE_REST, {"owner": owner})
            self.session.execute(_DELETE_KEYS, {"owner": owner})
            if self.session.execute(_UNTOLD, {"owner": owner}).one_or_none():
                raise Unavailable("events_under_way", "Events wait to be published.")

    def _delete_some(self, removal: uuid.UUID, owner: str) -> bool:
        with self.session.begin():
            values = {"removal": removal, "owner": owner, "most": _AT_ONCE}
            deleted = self.session.execute(_DELETE_SOME, values)
            return bool(deleted.rowcount)  # type: ignore[attr-defined]
