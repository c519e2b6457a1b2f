"""The language of queries, and the words of texts."""

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from contracts.limits import QUERY_DEPTH, QUERY_LENGTH, QUERY_TERMS
from link_svc.search.language import parse
from link_svc.search.query import After, And, Before, Node, Not, Or, Site, Tag, Words
from link_svc.search.words import fold, words

A, B, C = (Words((letter,)) for letter in "abc")

_words = st.lists(st.sampled_from(["go", "not", "or", "漢", "naive", "x1"]), min_size=1, max_size=3)
_leaves = st.one_of(
    st.builds(lambda found, begins: Words(tuple(found), begins), _words, st.just(False)),
    st.builds(lambda found: Words((*found, "begin"), True), _words),
    st.builds(Tag, st.sampled_from(["go", "a b", 'a"b', "a\\b", "(x)", "-", "日本", "a::b"])),
    st.builds(Site, st.sampled_from(["example.org", "localhost", "127.0.0.1", "bücher.example"])),
    st.builds(Before, st.dates()),
    st.builds(After, st.dates()),
)


def _flat(kind: type[And] | type[Or], nodes: list[Node]) -> Node:
    parts: list[Node] = []
    for node in nodes:
        parts.extend(node.nodes if isinstance(node, kind) else [node])
    return kind(tuple(parts))


trees = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda nodes: _flat(And, nodes), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda nodes: _flat(Or, nodes), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=5,
)


def depth(tree: Node) -> int:
    """Return how deep the brackets and negations of its text go."""
    if isinstance(tree, Not):
        return 1 + depth(tree.node) + isinstance(tree.node, And | Or)
    if isinstance(tree, And | Or):
        return max(depth(node) + isinstance(node, And | Or) for node in tree.nodes)
    return 0


@given(trees)
def test_query_is_read_as_it_is_written(tree: Node) -> None:
    assume(len(str(tree)) <= QUERY_LENGTH and depth(tree) <= QUERY_DEPTH)
    assert parse(str(tree)) == tree


@given(st.text(max_size=40) | st.text('ab -#"()*:\\or\tsite:', max_size=40))
def test_any_text_is_a_query_or_refused_with_its_place(text: str) -> None:
    refusal = InvalidInput("invalid_query", "", "q")
    try:
        assert parse(str(parse(text))) == parse(text)
    except InvalidInput as error:
        refusal = error
    assert (refusal.code, refusal.field) in [("invalid_query", "q"), ("invalid_text", "q")]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a b", And((A, B))),
        ("a and b AND c", And((A, B, C))),
        ("a b or c", Or((And((A, B)), C))),
        ("a (b or c)", And((A, Or((B, C))))),
        ("a -b", And((A, Not(B)))),
        ("a not (b c)", And((A, Not(And((B, C)))))),
        ('"A,  B"', Words(("a", "b"))),
        ("wi-fi", Words(("wi", "fi"))),
        ("postgre*", Words(("postgre",), begins=True)),
        ('"not"', Words(("not",))),
        ("#Go", Tag("Go")),
        ('-#"two words"', Not(Tag("two words"))),
        ("site:Example.ORG", Site("example.org")),
        ("before:2024", Before(date(2024, 1, 1))),
        ("after:2024-06", After(date(2024, 6, 1))),
        ("BEFORE:2024-01-31", Before(date(2024, 1, 31))),
        ("https://example.com/x", Words(("https", "example", "com", "x"))),
        ("std::vector 12:30", And((Words(("std", "vector")), Words(("12", "30"))))),
        ("漢字", Words(("漢", "字"))),
    ],
)
def test_query_means(text: str, meant: Node) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 1),
        ("  ", 1),
        ("a (b", 3),
        ("a)", 2),
        ("a ()", 3),
        ("a or", 5),
        ("or a", 1),
        ("a and or b", 7),
        ("a -", 4),
        ("a foo:b", 3),
        ("a before:2024-13", 3),
        ("after:soon", 1),
        ('a "b', 3),
        ("a ++", 3),
        ("a b*", 3),
        ("a #", 3),
        ("site:a/b", 1),
        ("site:", 1),
        ("(" * (QUERY_DEPTH + 1) + "a", QUERY_DEPTH + 1),
        ("ab " * (QUERY_TERMS + 1), 3 * QUERY_TERMS + 1),
    ],
)
def test_bad_query_is_refused_with_its_place(text: str, place: int) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse(text)
    assert (refusal.value.code, refusal.value.field) == ("invalid_query", "q")
    assert refusal.value.message.endswith(f"(character {place}).")


@pytest.mark.parametrize(
    ("text", "code"), [("a" * (QUERY_LENGTH + 1), "q_too_long"), ("a\0", "invalid_text")]
)
def test_query_out_of_bounds_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse(text)
    assert (refusal.value.code, refusal.value.field) == (code, "q")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't STOP", ["don", "t", "stop"]),
        (
            "Straße Ærø naïve \uff26\uff35 ﬁne",
            ["strasse", "ærø", "naive", "fu", "fine"],
        ),
        ("x_y C++ 1.5", ["x", "y", "c", "1", "5"]),
        ("हिन्दी", ["हिन्दी"]),
        ("abc漢字かな", ["abc", "漢", "字", "か", "な"]),
        ("x" * 70, ["x" * 64]),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, found: list[str]) -> None:
    assert words(text) == found


@given(st.text(max_size=30))
def test_case_and_form_of_a_text_do_not_matter(text: str) -> None:
    assert words(fold(text)) == words(text)
    if text.isascii():
        assert words(text.upper()) == words(text)
