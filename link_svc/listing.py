"""Which links to list and in what order: plain values, which refuse to be built wrong."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import re2

from chassis.errors import InvalidInput
from contracts.limits import LARGEST_PAGE, PAGE_SIZE, REGEX_LENGTH
from link_svc import domain
from link_svc.search.literals import Choice, required
from link_svc.search.query import Node
from link_svc.visibility import Audience, Visibility

PAGE_SIZES = range(1, LARGEST_PAGE + 1)

# No captures: "is it there?" is answered by the fast automaton. The memory bounds the size of the
# compiled pattern too, and with it the slowest search: 0.2 s in a description of full length.
_RE2 = re2.Options()
_RE2.never_capture = True
_RE2.log_errors = False
_RE2.max_mem = 1 << 20


class Order(StrEnum):
    """The order of a listing, by the time of adding."""

    OLDEST = "oldest"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Pattern:
    """An RE2 expression that must be found somewhere in one part of a link: its url, title or
    description."""

    part: str
    text: str
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = f"{self.part}_regex"
        domain.check_text(self.text, name)
        if len(self.text) > REGEX_LENGTH:
            message = f"{name} is longer than {REGEX_LENGTH} characters."
            raise InvalidInput("regex_too_long", message, name)
        try:
            object.__setattr__(self, "_compiled", re2.compile(self.text, _RE2))
        except re2.error:
            message = f"{name} is not a regular expression that RE2 accepts."
            raise InvalidInput("invalid_regex", message, name) from None

    @property
    def required(self) -> tuple[Choice, ...]:
        """What is in each text that contains the expression, as far as that is certain."""
        return required(self.text)

    def matches(self, text: str) -> bool:
        """Say whether a link's part contains the expression."""
        return self._compiled.search(text) is not None


@dataclass(frozen=True, slots=True)
class Position:
    """The sort key of the last row that a page has shown."""

    created_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which of an owner's links to list: those with all the tags that match all else.

    Nobody is shown more than they may see, whatever ``visibility`` they ask for.
    """

    owner: str
    patterns: tuple[Pattern, ...] = ()
    tags: frozenset[str] = frozenset()
    order: Order = Order.OLDEST
    page_size: int = PAGE_SIZE
    after: Position | None = None
    visibility: Visibility | None = None
    audience: Audience = Audience.OWNER
    search: Node | None = None

    def __post_init__(self) -> None:
        domain.check_owner(self.owner)
        domain.check_tags(self.tags, "tag")
        if self.page_size not in PAGE_SIZES:
            message = f"page_size is a whole number from 1 to {PAGE_SIZES[-1]}."
            raise InvalidInput("invalid_page_size", message, "page_size")

    @property
    def visibilities(self) -> frozenset[Visibility]:
        """The visibilities of the links to list."""
        wanted = frozenset(Visibility) if self.visibility is None else {self.visibility}
        return self.audience.may_see & wanted

    @property
    def is_plain(self) -> bool:
        """Whether the next links are the next entries of an index, with nothing to try."""
        return not self.patterns and self.search is None and len(self.tags) <= 1


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing; ``next`` is None on the last."""

    links: list[domain.LinkDoc]
    next: Position | None
