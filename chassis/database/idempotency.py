"""Writes with a key of the caller's: done once, and answered the same however often they come.

The answer is a row, written in the transaction of the write itself: so it is there exactly if the
write is, whichever process is killed in between. A refusal is an answer too. What is wrong before
the write begins, or cannot be done now, is none, and the key stays free.

    class IdempotencyKey(idempotency.KeyMixin, Base):
        __tablename__ = "idempotency_keys"

The store has ``self.keys = idempotency.Keys(session, IdempotencyKey)``, and its service writes with
``keys.once(Write.of(…), lambda: …)``, in which the store's transactions become parts of one.

Beside what is written, that is two messages to the database: one takes the key, the other keeps the
answer and commits. A write that is one statement can do both itself: ``key_statements.Inline``.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from sqlalchemy import DateTime, LargeBinary, Table, Text, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from chassis import errors
from chassis.database import key_statements

# One statement deletes so many, and one turn of the timer so many statements.
BATCH_ROWS = 1000
BATCHES = 100
# How often each replica of a service deletes what has had its time.
FORGET_SECONDS = 600

_NAME = Text(collation="C")
_KINDS = {kind.__name__: kind for kind in errors.KINDS}

T = TypeVar("T")


class KeyMixin:
    """The columns of the table of keys; ``answer`` is a result, or an error."""

    owner: Mapped[str] = mapped_column(_NAME, primary_key=True)
    key: Mapped[str] = mapped_column(_NAME, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


@dataclass(frozen=True)
class Write:
    """What somebody wants to be written once."""

    owner: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, owner: str, key: str, what: str, arguments: Any) -> Self:
        """Name a write by its key, and by all that it says; an empty key is none."""
        said = json.dumps([what, arguments], sort_keys=True).encode()
        return cls(owner, key, hashlib.sha256(said).digest())

    @property
    def lock(self) -> int:
        """Return the number of the advisory lock that whoever writes this has."""
        digest = hashlib.sha256(f"{self.owner}\n{self.key}".encode()).digest()
        return int.from_bytes(digest[:8], signed=True)


class Keys:
    """The keys of one service, for one session."""

    def __init__(self, session: Session, table: type[KeyMixin]) -> None:
        self.session = session
        self.table: Table = table.__table__  # type: ignore[attr-defined]

    def inline(self, write: Write, hours: int) -> dict[str, Any]:
        """Return the values of ``key_statements.Inline``; one is the owner."""
        return {
            "owner": write.owner,
            "key": write.key,
            "fingerprint": write.fingerprint,
            "lock": write.lock,
            "hours": hours,
        }

    def once(self, write: Write, do: Callable[[], T], hours: int) -> T:
        """Return what ``do`` returns, which is JSON, or returned the first time; raise likewise.

        A key is good for ``hours``. Raises ``idempotency_key_in_use`` while the same write is
        under way, and ``idempotency_key_reused`` for another write.
        """
        if not write.key:
            return do()
        with self.session.begin():
            values = self.inline(write, hours)
            kept = self._kept(write, values)
            if kept is None:
                kept = self._answer(do)
                keeping = key_statements.keeping(self.table.name)
                self.session.execute(keeping, {**values, "answer": json.dumps(kept)})
        return _replay(kept)

    def forget(self, hours: int) -> int:
        """Delete the keys that are older, and return how many; replicas don't do it twice."""
        columns = self.table.c
        old = (
            select(columns.owner, columns.key)
            .where(columns.created_at < func.clock_timestamp() - timedelta(hours=hours))
            .limit(BATCH_ROWS)
            .with_for_update(skip_locked=True)
        )
        deletion = delete(self.table).where(tuple_(columns.owner, columns.key).in_(old))
        total = 0
        for _ in range(BATCHES):
            with self.session.begin():
                deleted = self.session.execute(deletion).rowcount  # type: ignore[attr-defined]
            total += deleted
            if deleted < BATCH_ROWS:
                break
        return total

    def _kept(self, write: Write, values: dict[str, Any]) -> dict[str, Any] | None:
        """Take the key until the commit, and return its answer if it has one."""
        row = self.session.execute(key_statements.looking(self.table.name), values).one()
        if not row.taken:
            message = "A request with this key is under way; ask again."
            raise errors.AlreadyExists("idempotency_key_in_use", message, "Idempotency-Key")
        if row.answer is not None and bytes(row.fingerprint) != write.fingerprint:
            message = "This key was used for another request; take a new one."
            raise errors.AlreadyExists("idempotency_key_reused", message, "Idempotency-Key")
        answer: dict[str, Any] | None = row.answer
        return answer

    def _answer(self, do: Callable[[], Any]) -> dict[str, Any]:
        try:
            return {"result": do()}
        except errors.Unavailable:
            raise
        except errors.ServiceError as error:
            self.session.execute(key_statements.UNDO)
            return {"error": [type(error).__name__, error.code, error.message, error.field]}


def _replay(kept: dict[str, Any]) -> Any:
    if "error" in kept:
        kind, code, message, field = kept["error"]
        raise _KINDS[kind](code, message, field)
    return kept["result"]
