"""What is in every text in which an RE2 expression is found: what PostgreSQL can look for first.

Only what is certain. What may be left out, and whatever is not one certain character, requires
nothing; and neither does a whole expression with anything in it that is not understood here.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

# What is worth looking for: so many conditions, with so many texts of which one must be there.
MOST_CONDITIONS = 3
_MOST_CHOICES = 4

_REPETITION = re.compile(r"([*+?]|\{(0|[1-9][0-9]*)(,([1-9][0-9]*)?)?\})\??", re.ASCII)
_GROUP = re.compile(r"\?(?:P?<\w+>|([imsU]*)(-[imsU]+)?([:)]))", re.ASCII)
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\[^QE]|[^\]\\])*\]", re.ASCII | re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:[bBAz]|(?P<some>[dDwWsSnrtfva]|[pP](?:\{\^?\w+\}|[A-Z])|x(?:\{\w+\}|[0-9a-fA-F]{2}))"
    r"|(?P<sign>[!-/:-@\[-^`{-~]))",
    re.ASCII,
)
# Where case doesn't matter, each of these has one other at most, and PostgreSQL knows it whatever
# its locale is; k is also the sign of Kelvin, and s the long s.
_FOLDED = frozenset(map(chr, range(1, 128))) - frozenset("kKsS")


@dataclass(frozen=True, slots=True)
class Literal:
    """A text; with ``folded`` in lower case, and found whatever the case of A to Z is."""

    text: str
    folded: bool = False


# One of these is there.
Choice = frozenset[Literal]


def required(expression: str) -> tuple[Choice, ...]:
    """Return what holds of each text in which an expression that RE2 accepts is found."""
    reader = _Reader(expression)
    try:
        found = reader.alternatives()
    except _NotUnderstoodError:
        return ()
    return () if reader.rest else tuple(sorted(found, key=_worth, reverse=True)[:MOST_CONDITIONS])


class _NotUnderstoodError(Exception):
    """This may mean anything."""


class _Run:
    """Characters that surely follow each other, and what was required before them."""

    def __init__(self) -> None:
        self.required: set[Choice] = set()
        self._text = ""
        self._folded = False

    def add(self, character: str, folded: bool) -> None:
        """Go on with a character."""
        if folded is not self._folded:
            self.end()
            self._folded = folded
        self._text += character.lower() if folded else character

    def end(self) -> None:
        """Go on with something else."""
        if self._text:
            self.required.add(frozenset({Literal(self._text, self._folded)}))
        self._text = ""


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, expression: str) -> None:
        self.rest = expression
        self._folded = False

    def alternatives(self) -> set[Choice]:
        """Read up to the end of a group; return what is required whichever of them is found."""
        branches = [self._branch()]
        while self._take("|"):
            branches.append(self._branch())
        return branches[0] if len(branches) == 1 else _one_of(branches)

    def _branch(self) -> set[Choice]:
        run = _Run()
        while self.rest and self.rest[0] not in "|)":
            if self._take("("):
                run.end()
                inner = self._group()
                if self._repeated()[0]:
                    run.required |= inner
            elif (character := self._character()) is None:
                run.end()
                self._repeated()
            elif character:
                self._add(run, character)
            elif self._repeated() != (True, True):  # a place, which needs no repetition
                raise _NotUnderstoodError
        run.end()
        return run.required

    def _add(self, run: _Run, character: str) -> None:
        """Go on with a character as often as it is repeated."""
        folded = self._folded
        required, once = self._repeated()
        known = character in _FOLDED if folded else character > "\0"
        if not required or not known:
            run.end()
            return
        run.add(character, folded)
        if not once:  # what follows, follows the last
            run.end()
            run.add(character, folded)

    def _group(self) -> set[Choice]:
        """Read what follows a bracket, with its end."""
        folded = self._folded
        if self.rest.startswith("?"):
            start = self._match(_GROUP)
            on, off, end = start.groups()
            if on is not None:
                folded = ("i" in on or folded) and "i" not in (off or "")
            if end == ")":
                self._folded = folded
                return set()
        outside, self._folded = self._folded, folded
        found = self.alternatives()
        self._folded = outside  # flags are for the rest of their group
        if not self._take(")"):
            raise _NotUnderstoodError
        return found

    def _character(self) -> str | None:
        """Read one; None: one of several, "": a place between two."""
        if self.rest[0] == "[":
            self._match(_CLASS)
            return None
        if self.rest[0] == "\\":
            escape = self._match(_ESCAPE)
            return None if escape["some"] else escape["sign"] or ""
        character, self.rest = self.rest[0], self.rest[1:]
        if character in "*+?{":
            raise _NotUnderstoodError
        if character == ".":
            return None
        return "" if character in "^$" else character

    def _repeated(self) -> tuple[bool, bool]:
        """Read how often the last one comes; say whether at least once, and exactly once."""
        required = once = True
        while self.rest and self.rest[0] in "*+?{":
            sign, least, *_ = self._match(_REPETITION).groups()
            required = required and (sign == "+" or least not in (None, "0"))
            once = False
        return required, once

    def _match(self, what: re.Pattern[str]) -> re.Match[str]:
        found = what.match(self.rest)
        if found is None:
            raise _NotUnderstoodError
        self.rest = self.rest[found.end() :]
        return found

    def _take(self, character: str) -> bool:
        taken = self.rest.startswith(character)
        self.rest = self.rest[taken:]
        return taken


def _one_of(branches: Iterable[set[Choice]]) -> set[Choice]:
    """Return what is required where one of several branches is found."""
    choices: set[Literal] = set()
    for branch in branches:
        if not branch:
            return set()
        choices |= max(branch, key=_worth)
    return {frozenset(choices)} if len(choices) <= _MOST_CHOICES else set()


def _worth(choice: AbstractSet[Literal]) -> tuple[int, int, list[str]]:
    """Return what is more the less often such texts are likely to be found."""
    texts = sorted(literal.text for literal in choice)
    return min(map(len, texts)), -len(texts), texts
