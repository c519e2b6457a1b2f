"""The parameters of the public API: each class is what one or more routes take.

What is declared here a request is checked against, and /openapi.json is made of it. What a text
holds (is it a URL, a regular expression, a token of this list?) is judged by the service that owns
it; here, ``schema`` can only describe it.
"""

from typing import Annotated, Any, Literal, Required, TypedDict

from msgspec import Meta

from contracts import limits


def declared(
    description: str,
    *,
    must: str = "a text",
    wrong: str = "",
    too_long: str = "",
    key: str = "",
    schema: dict[str, Any] | None = None,
    **limits: Any,
) -> Meta:
    """Declare a parameter: a value of another type is refused with ``NAME must be MUST.``

    The codes are ``invalid_NAME`` and ``NAME_too_long``, unless ``wrong`` and ``too_long`` say
    otherwise; ``schema`` is added to the JSON Schema. ``key`` names the configuration's limit,
    which may be lower, and is ``{most}`` in ``must``.
    """
    says = {"must": must, "wrong": wrong, "too_long": too_long, "key": key}
    extra = {name: word for name, word in says.items() if word}
    return Meta(description=description, extra=extra, extra_json_schema=schema, **limits)


# NUL, which no text of ours holds; the characters that are no part of a tag.
_TEXT = {"pattern": r"^[^\u0000]*$"}
_URL = (
    r"^([Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp])://"
    r"[^\s/?#:\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*$"
)
_NAME = _TEXT | {"format": "username"}
_ODD = r",\u0000-\u001f\u007f-\u009f"

_Title = Annotated[str, Meta(max_length=limits.TITLE_LENGTH, extra_json_schema=_TEXT)]
_Description = Annotated[str, Meta(max_length=limits.DESCRIPTION_LENGTH, extra_json_schema=_TEXT)]
_Regex = Annotated[
    str,
    Meta(
        max_length=limits.REGEX_LENGTH,
        examples=["nats|kafka"],
        extra_json_schema={"format": "re2"},
        extra={"key": "MAX_REGEX_LENGTH"},
    ),
]
_Query = Annotated[
    str,
    Meta(
        max_length=limits.QUERY_LENGTH,
        examples=['"message bus" -kafka site:nats.io after:2024 (#go or #python)'],
        extra_json_schema={"format": "link-query", "minLength": 1},
    ),
]
_Tag = Annotated[
    str,
    Meta(
        extra_json_schema={
            "minLength": 1,
            "maxLength": limits.TAG_LENGTH,
            "pattern": rf"^[^{_ODD}]*[^\s{_ODD}][^{_ODD}]*$",
        }
    ),
]
_TagsText = Annotated[
    str,
    Meta(
        examples=["bus,go"],
        extra_json_schema={
            "pattern": (
                rf"^[^{_ODD}]{{0,{limits.TAG_LENGTH}}}"
                rf"(,[^{_ODD}]{{0,{limits.TAG_LENGTH}}}){{0,{limits.TAGS - 1}}}$"
            )
        },
    ),
]
_TagsObject = Annotated[
    dict[_Tag, bool],
    Meta(examples=[{"bus": True}], extra_json_schema={"maxProperties": limits.TAGS}),
]
_TagsList = Annotated[
    list[_Tag], Meta(examples=[["bus", "go"]], extra_json_schema={"maxItems": limits.TAGS})
]
Tags = _TagsList | _TagsObject | _TagsText | None
_tags = {
    "must": "a list, an object of tag: true, or a text with commas",
    "wrong": "invalid_tag",
}
_regex = {"wrong": "invalid_text", "too_long": "regex_too_long"}


def _address(**more: str) -> Meta:
    return declared(
        "The address, kept exactly as it is given: http, https or ftp.",
        wrong="invalid_text",
        min_length=1,
        max_length=limits.URL_LENGTH,
        schema={"format": "uri", "pattern": _URL},
        examples=["https://nats.io/about/"],
        **more,
    )


Url = Annotated[str, _address()]
NewUrl = Annotated[str, _address(key="MAX_URL_LENGTH")]
Title = Annotated[
    _Title | None,
    declared("What the link is called; the URL, if this is empty.", wrong="invalid_text"),
]
Description = Annotated[
    _Description | None, declared("What there is to say of the link.", wrong="invalid_text")
]
Username = Annotated[
    str, declared("A user's name, in any case.", min_length=1, examples=["bob"], schema=_NAME)
]
StartToken = Annotated[
    str,
    declared(
        "The next_token of the page before; empty or left out for the first page.",
        wrong="invalid_token",
        schema={"format": "page-token"},
    ),
]
PageSize = Annotated[
    int,
    declared(
        "How many there shall be on a page.",
        must="a whole number from 1 to {most}",
        key="MAX_PAGE_SIZE",
        ge=1,
        le=limits.LARGEST_PAGE,
        schema={"default": limits.PAGE_SIZE},
    ),
]
Order = Annotated[
    Literal["oldest", "newest"],
    declared("Which come first.", must="oldest or newest", schema={"default": "oldest"}),
]
Visibility = Annotated[
    Literal["private", "followers", "public"],
    declared("Who may see a link besides its owner.", must="private, followers or public"),
]


class Nothing(TypedDict):
    """No parameters."""


class LinkName(TypedDict):
    """Which link."""

    url: Url


class NewLink(TypedDict, total=False):
    """A link to save."""

    url: Required[NewUrl]
    title: Title
    description: Description
    tags: Annotated[Tags, declared("The link's tags.", **_tags)]
    visibility: Visibility


class LinkChanges(TypedDict, total=False):
    """A link, and what shall change in it; what is left out stays as it is."""

    url: Required[Url]
    title: Title
    description: Description
    add_tags: Annotated[Tags, declared("Tags to add.", **_tags)]
    remove_tags: Annotated[Tags, declared("Tags to take away.", **_tags)]
    visibility: Visibility


class LinkBatch(TypedDict):
    """Changes of links, in order."""

    changes: Annotated[
        list[dict[str, Any]],
        declared(
            "Each has an `action`: `add` goes with the parameters of POST /v1.0/links, `update`"
            " with those of PUT, and `delete` with a `url`. With a `version`, an update or a"
            " deletion is for the link of this version alone.",
            must="a list of 1 to {most} objects",
            key="MAX_BULK_CHANGES",
            min_length=1,
            max_length=limits.BULK_CHANGES,
            examples=[
                [
                    {"action": "add", "url": "https://nats.io/about/", "tags": ["bus"]},
                    {"action": "update", "url": "https://nats.io/blog/", "title": "NATS, the blog"},
                    {"action": "delete", "url": "https://nats.io/old/"},
                ]
            ],
        ),
    ]


class NewImport(TypedDict, total=False):
    """How a file shall be imported."""

    existing: Annotated[
        Literal["skip", "update"],
        declared(
            "What becomes of a link that is there already: it stays as it is, or gets the title,"
            " the description and, besides its own, the tags of the file.",
            must="skip or update",
            schema={"default": "skip"},
        ),
    ]
    visibility: Annotated[
        Literal["private", "followers", "public"],
        declared(
            "Who may see the links of which the file does not say it; else as new links have it.",
            must="private, followers or public",
        ),
    ]


class WhichImport(TypedDict):
    """Which import."""

    id: Annotated[str, declared("The import's id.", schema={"format": "uuid"})]


class Export(TypedDict, total=False):
    """What kind of file."""

    format: Annotated[
        Literal["html", "jsonl"],
        declared(
            "`html`: bookmarks, as browsers and bookmark services read them (the Netscape format);"
            " `jsonl`: a link, as the API shows it, on each line as JSON.",
            must="html or jsonl",
            schema={"default": "html"},
        ),
    ]


class Page(TypedDict, total=False):
    """Which part of a list."""

    start_token: StartToken
    page_size: PageSize


class LinkQuery(Page, total=False):
    """Which links: those with all the tags whose parts match all the expressions."""

    q: Annotated[
        _Query | None,
        declared(
            'A search: words, "phrases", -not, #tag, site:example.org, before:2024-01-31,'
            " after:2024, or, (brackets), begin*; see docs/search.md.",
            wrong="invalid_text",
        ),
    ]
    url_regex: Annotated[_Regex | None, declared("RE2, found in the URL.", **_regex)]
    title_regex: Annotated[_Regex | None, declared("RE2, found in the title.", **_regex)]
    description_regex: Annotated[
        _Regex | None, declared("RE2, found in the description.", **_regex)
    ]
    tag: Annotated[Tags, declared("A tag that the links have; may be given again.", **_tags)]
    visibility: Visibility
    order: Order


class Person(TypedDict):
    """Whose page."""

    name: Username


class LinksOfQuery(LinkQuery):
    """Whose links, and which of them."""

    name: Username


class NewsQuery(Page, total=False):
    """Which part of the news."""

    order: Order


class Followed(TypedDict):
    """Whom to follow, or to follow no more."""

    followed: Username


class Blocked(TypedDict):
    """Whom to block, or to block no more."""

    blocked: Username


class Preferences(TypedDict):
    """What the caller likes."""

    default_visibility: Visibility


class Login(TypedDict, total=False):
    """Where to go after signing in."""

    provider: Annotated[str, declared("With whom: github or oidc; else the first there is.")]
    next: Annotated[str, declared("A path of this server.", examples=["/docs"])]


class Authorization(TypedDict):
    """What the identity provider sends back."""

    code: Annotated[str, declared("The provider's code, good once.")]
    state: Annotated[str, declared("What the sign-in began with.")]
