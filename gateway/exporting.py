"""Who has an export under way: so many at a time, and one of each person's."""

from collections.abc import Callable
from typing import Any

from nameko.extensions import DependencyProvider

from chassis import config
from chassis.errors import Unavailable

UNDER_WAY = Unavailable("export_under_way", "An export of yours is under way; wait for its end.")
TOO_MANY = Unavailable("too_many_exports", "Too many exports are under way; try again.")


class Places:
    """The exports of this process that may be under way."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._taken: set[str] = set()

    def take(self, username: str) -> Callable[[], None]:
        """Take a place for an export, and return how to give it back, once; raise Unavailable."""
        if username in self._taken:
            raise Unavailable(*UNDER_WAY.args)
        if len(self._taken) >= self._at_once:
            raise Unavailable(*TOO_MANY.args)
        self._taken.add(username)
        return lambda: self._taken.discard(username)


class ExportPlaces(DependencyProvider):
    """Inject the places that all workers share."""

    def setup(self) -> None:
        """Make them; a wrong number stops the start."""
        self.places = Places(config.positive_integer("EXPORTS_AT_A_TIME"))

    def get_dependency(self, worker_ctx: Any) -> Places:
        """Return them."""
        return self.places
