"""What RE2 expressions require of the texts in which they are found."""

import re
from collections.abc import Iterable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from link_svc.listing import Pattern
from link_svc.search.literals import MOST_CONDITIONS, Choice, Literal, required

# Letters with cases of all sorts: the long s, the sign of Kelvin, dotted and dotless i, sharp s.
LETTERS = "abkKsS\u017f\u212aiI\u0130\u0131\u00df\u1e9e\u03a3\u03c2\u00e9\u00c9\u6f22-. \n]{"
Sample = tuple[str, str]  # an expression, and a text in which it is found


def holds(choices: Iterable[Choice], text: str) -> bool:
    """Do as link_svc.search.conditions.contains does in SQL."""
    lower = re.sub("[A-Z]", lambda found: found[0].lower(), text)
    return all(
        any(literal.text in (lower if literal.folded else text) for literal in choice)
        for choice in choices
    )


def quoted(one: str) -> str:
    return one if one.isalnum() or one.isspace() else f"\\{one}"


def repeated(inner: Sample, how: tuple[str, int]) -> Sample:
    return f"(?:{inner[0]}){how[0]}", inner[1] * how[1]


_repetitions = st.sampled_from(
    [("*", 0), ("*", 2), ("+?", 1), ("+", 3), ("?", 0), ("{2}", 2), ("{0,2}", 1), ("{1,}", 2)]
)
_leaves = st.one_of(
    st.sampled_from(LETTERS).map(lambda one: (quoted(one), one)),
    st.sampled_from(LETTERS).map(lambda one: (f"{quoted(one)}{{2}}?", one * 2)),
    st.sampled_from(LETTERS).map(lambda one: (f"{quoted(one)}*", "")),
    st.sampled_from([("[^a]", "b"), ("[]a]", "]"), (r"[[:alpha:]\]]", "k"), (r"\pL", "\u6f22")]),
    st.sampled_from([(".", "a"), (r"\x41", "A"), (r"\D", "s"), (r"\n", "\n"), ("(?s:.)", "\n")]),
)
samples = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(
            lambda parts: ("".join(one for one, _ in parts), "".join(text for _, text in parts))
        ),
        st.tuples(inner, inner).map(lambda two: (f"({two[0]}|{two[1][0]})", two[0][1])),
        st.tuples(inner, inner).map(lambda two: (f"(?P<n>{two[1][0]}|{two[0]})", two[0][1])),
        st.builds(repeated, inner, _repetitions),
        inner.map(lambda one: (f"(?i:{one[0]})", one[1].swapcase())),
        inner.map(lambda one: (f"(?:(?i){one[0]})", one[1].upper())),
    ),
    max_leaves=8,
)


@given(samples, st.text(LETTERS, max_size=3), st.text(LETTERS, max_size=3))
@example(("(?i)kiss", "\u212ai\u017fs"), "", "")
@example(("ba{2}i", "baai"), "", "")
@example(("((?i)a)b|(?i)a|b", "B"), "", "")
@example(("(?i)(?-i:a)b", "aB"), "", "")
def test_what_is_found_has_what_is_required(sample: Sample, before: str, after: str) -> None:
    expression, found = sample
    try:
        pattern = Pattern("title", expression)
    except InvalidInput:  # a name twice, or too long
        assume(False)
    text = before + found + after
    assert not pattern.matches(text) or holds(pattern.required, text)


@given(
    st.text(r"ab|()[]{}?*+^$.\iQEkKsS:-PpdN<>,012=", max_size=14),
    st.lists(st.text("abkKsSN\u017f\u212a{}?:-,012=\\", max_size=14), min_size=10, max_size=20),
)
def test_whatever_re2_makes_of_an_expression(expression: str, texts: list[str]) -> None:
    choices = required(expression)  # also of what RE2 refuses
    try:
        pattern = Pattern("title", expression)
    except InvalidInput:
        assume(False)
    for text in texts:
        assert not pattern.matches(text) or holds(choices, text)


@pytest.mark.parametrize(
    ("expression", "texts"),
    [
        ("kubernetes", ["kubernetes"]),
        (r"^github\.com/(?:nats-io|apache)/", ["github.com/", "apache|nats-io", "/"]),
        ("a.?b+c", ["bc", "b", "a"]),
        ("(?i)Postgre", ["tgre", "po"]),
        ("(?i:No)de", ["no", "de"]),
        ("[Kk]ube(let)?", ["ube"]),
        (r"\bnats\b", ["nats"]),
        ("(a(b|c{2})|d)x{0}", ["a|d"]),
        ("漢字", ["漢字"]),
        ("a|", []),
        ("a|.", []),
        ("x*", []),
        ("a{0}", []),
        (r"\Qab\E", []),
        (r"\141", []),
        (r"a\Cb", []),
        ("", []),
        ("a|b|c|d", ["a|b|c|d"]),
        ("a|b|c|d|e", []),
    ],
)
def test_what_is_required(expression: str, texts: list[str]) -> None:
    found = ["|".join(sorted(literal.text for literal in each)) for each in required(expression)]
    assert found == texts


def test_no_more_is_looked_for_than_is_worth_it() -> None:
    assert len(required("a.b.c.d.e")) == MOST_CONDITIONS
    assert required("x.longest.y.longer.z")[0] == frozenset({Literal("longest")})
