"""What the routes of a person's own account take and answer."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Required, TypedDict

from msgspec import Meta

from gateway.answers import Moment, Ok
from gateway.auth import Caller
from gateway.parameters import declared

Result = Mapping[str, Any]

_Kind = Literal["session", "personal"]
_SCOPES = "read, write or both: a list, or a text with commas"
_Scope = Annotated[str, Meta(extra_json_schema={"enum": ["read", "write"]})]
# Only described, and judged by user_svc: msgspec (0.22) frees memory twice where both the list and
# the text of a union have constraints.
_SCOPES_TEXT = r"^\s*(read|write)\s*(,\s*(read|write)\s*)*$"
_NAME = (
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
)
_TokenId = Annotated[
    str, Meta(description="Names a token; it is no secret.", extra_json_schema={"format": "uuid"})
]


class NewToken(TypedDict, total=False):
    """A personal access token to make; without an expiry it is good for 90 days."""

    name: Required[
        Annotated[
            str,
            declared(
                "What it is for.",
                wrong="invalid_name",
                too_long="invalid_name",
                min_length=1,
                max_length=100,
                schema={"pattern": _NAME},
                examples=["my script"],
            ),
        ]
    ]
    scopes: Annotated[
        Annotated[list[_Scope], Meta(extra_json_schema={"minItems": 1})]
        | Annotated[str, Meta(extra_json_schema={"pattern": _SCOPES_TEXT})],
        declared("read, unless said.", must=_SCOPES, examples=[["read", "write"]]),
    ]
    expires_in_days: Annotated[
        int,
        declared("For how many days.", must="a number of days", wrong="invalid_expiry", ge=1),
    ]
    expires_at: Annotated[
        str,
        declared(
            "Until when: a date, or RFC 3339.", wrong="invalid_expiry", examples=["2030-01-31"]
        ),
    ]


class WhichTokens(TypedDict, total=False):
    """One token by its id, or all of a kind; one of the two must be given."""

    id: _TokenId
    kind: Annotated[_Kind, declared("All of this kind.", must="session or personal")]


class Leaving(TypedDict):
    """To remove everything that one has."""

    confirm: Annotated[str, declared("One's own user name, so that it is no accident.")]


class Token(TypedDict):
    """An access token, without its secret."""

    Id: _TokenId
    Kind: Annotated[_Kind, Meta(description="session: of a sign-in; personal: of a program.")]
    Name: str
    Scopes: list[Literal["read", "write", "account"]]
    CreatedAt: Moment
    LastUsedAt: Annotated[str, Meta(description="To the hour. RFC 3339 in UTC.")]
    ExpiresAt: Moment
    Current: Annotated[bool, Meta(description="Whether this request carries it.")]


class Tokens(TypedDict):
    """The caller's tokens and sessions, the newest first."""

    err: Ok
    tokens: list[Token]


class MadeToken(TypedDict):
    """A token that has just been made."""

    err: Ok
    token: Token
    access_token: Annotated[str, Meta(description="The secret. It is never shown again.")]


class Identity(TypedDict):
    """A way to sign in."""

    Provider: str
    Login: str


class User(TypedDict):
    """What is known of the caller."""

    Username: str
    Name: str
    Email: str
    CreatedAt: Moment
    Identities: list[Identity]
    DefaultVisibility: Annotated[
        str, Meta(description="Who may see links that are saved without a visibility.")
    ]


class CurrentToken(TypedDict):
    """The token that the request carries."""

    Id: str
    Kind: _Kind
    Scopes: list[Literal["read", "write", "account"]]
    ExpiresAt: Moment


class Me(TypedDict):
    """Who calls."""

    err: Ok
    user: User
    token: CurrentToken


def tokens(found: Iterable[Result], caller: Caller) -> Tokens:
    """Dump a list of tokens."""
    return {"err": "", "tokens": [_token(each, caller) for each in found]}


def made(result: Result, caller: Caller) -> MadeToken:
    """Dump a token that has just been made, with its secret."""
    token = _token(result, caller)
    return {"err": "", "token": token, "access_token": result["access_token"]}


def me(profile: Result, default_visibility: str, caller: Caller) -> Me:
    """Dump what is known of the caller."""
    user: User = {
        "Username": profile["username"],
        "Name": profile["name"],
        "Email": profile["email"],
        "CreatedAt": profile["created_at"],
        "Identities": [
            {"Provider": each["provider"], "Login": each["login"]} for each in profile["identities"]
        ],
        "DefaultVisibility": default_visibility,
    }
    token: Any = {
        "Id": caller.token_id,
        "Kind": caller.kind,
        "Scopes": list(caller.scopes),
        "ExpiresAt": caller.expires_at,
    }
    return {"err": "", "user": user, "token": token}


def _token(document: Result, caller: Caller) -> Token:
    return {
        "Id": document["id"],
        "Kind": document["kind"],
        "Name": document["name"],
        "Scopes": document["scopes"],
        "CreatedAt": document["created_at"],
        "LastUsedAt": document["last_used_at"],
        "ExpiresAt": document["expires_at"],
        "Current": document["id"] == caller.token_id,
    }
