"""Adds of one person's links that come side by side: those that would wait go together.

An owner's changes wait for each other in the database in any case, each on a connection, of which a
process has few. Here one add of an owner's is under way in a process; those that come meanwhile are
one statement, which judges each as if alone. Who comes alone waits for nobody.
"""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from chassis.arrival import Arrival
from chassis.database.errors import unavailable
from chassis.errors import ServiceError, Unavailable
from link_svc.batches import Context
from link_svc.domain import Link, NewLink

_log = logging.getLogger(__name__)

MOST_TOGETHER = 50


class Store(Protocol):
    """Where one worker adds."""

    def add(self, new: NewLink, quota: int) -> Link:
        """Add a link."""
        ...

    def add_all(
        self, news: Sequence[NewLink], quota: int, *, contexts: Sequence[Context]
    ) -> Sequence[Link | ServiceError]:
        """Add an owner's links as if one by one, each event with a context of its own."""
        ...

    def context(self) -> Context:
        """Return what an event of this worker's says besides."""
        ...


class _Turn:
    """Somebody in line: told what came of the link, or to add all that are in line, or it alone."""

    def __init__(self, new: NewLink, context: Context) -> None:
        self.new = new
        self.context = context
        self.told = Arrival()
        self.leads = False


_LEAD, _ALONE = object(), object()


class Adds:
    """Those of one process."""

    def __init__(self) -> None:
        self._lines: dict[str, list[_Turn]] = {}  # of each owner who has an add under way

    def add(self, store: Store, new: NewLink, quota: int) -> Link:
        """Add a link by this worker's store, or by another's; raise what ``Store.add`` raises."""
        owner = new.key.owner
        line = self._lines.get(owner)
        if line is None:
            self._lines[owner] = []
            try:
                return store.add(new, quota)
            finally:
                self._pass_on(owner)
        turn = _Turn(new, store.context())
        line.append(turn)
        told = self._wait(owner, turn)
        if told is _LEAD:
            try:
                told = self._lead(store, line, turn, quota)
            finally:
                self._pass_on(owner)
        if told is _ALONE:
            return store.add(new, quota)
        if isinstance(told, ServiceError):
            raise told
        return told

    def _pass_on(self, owner: str) -> None:
        """Let those in line have their turn; of them the last has the most time left."""
        line = self._lines[owner]
        if line:
            leader = line[-1]
            leader.leads = True
            leader.told.bring(_LEAD)
        else:
            del self._lines[owner]

    def _wait(self, owner: str, turn: _Turn) -> Any:
        try:
            return turn.told.wait()
        except BaseException:  # a deadline
            line = self._lines.get(owner, [])
            if turn in line:
                line.remove(turn)
            if turn.leads:
                self._pass_on(owner)
            raise

    def _lead(self, store: Store, line: list[_Turn], turn: _Turn, quota: int) -> Any:
        """Add for all in line, or for as many as may go together; return what to tell this one."""
        line.remove(turn)
        together = [*line[: MOST_TOGETHER - 1], turn]
        del line[: MOST_TOGETHER - 1]
        if together == [turn]:
            return store.add(turn.new, quota)
        # Where it ends in the middle, nobody knows what was done.
        outcomes: list[Any] = [unavailable() for _ in together]
        try:
            outcomes = list(
                store.add_all(
                    [each.new for each in together],
                    quota,
                    contexts=[each.context for each in together],
                )
            )
        except Unavailable as error:
            outcomes = [Unavailable(error.code, error.message) for _ in together]
        except Exception:
            _log.warning("links that were to be added together go one by one", exc_info=True)
            outcomes = [_ALONE] * len(together)
        finally:
            for each, outcome in zip(together, outcomes, strict=True):
                each.told.bring(outcome)
        return outcomes[-1]
