"""What the public API answers: the shape of each body, and how it is made of a service's result."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from chassis.status import HTTP_STATUS

Result = Mapping[str, Any]
Tagged = tuple[int, Result, dict[str, str]]

_STATUS = {kind.__name__: int(status) for kind, status in HTTP_STATUS.items()}

Ok = Annotated[Literal[""], Meta(description="Empty: no error.")]
NextToken = Annotated[
    str, Meta(description="The start_token of the next page; empty on the last.", examples=[""])
]
Moment = Annotated[
    str,
    Meta(
        description="RFC 3339 in UTC.",
        examples=["2026-11-22T10:00:00.000001Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
TagSet = Annotated[
    dict[str, Literal[True]],
    Meta(description="Each tag is a name.", examples=[{"bus": True, "go": True}]),
]
Names = Annotated[
    dict[str, Literal[True]],
    Meta(description="Each user is a name.", examples=[{"bob": True, "carol": True}]),
]


class Done(TypedDict):
    """It is done."""

    err: Ok


class Link(TypedDict):
    """A link."""

    Url: Annotated[str, Meta(examples=["https://nats.io/about/"])]
    Title: Annotated[str, Meta(examples=["About NATS"])]
    Description: Annotated[str, Meta(examples=["A message bus"])]
    Tags: TagSet
    Status: Annotated[
        Literal["pending", "valid", "invalid"],
        Meta(description="What is known of the link's target."),
    ]
    Visibility: Annotated[
        Literal["private", "followers", "public"],
        Meta(description="Who may see the link besides its owner."),
    ]
    CreatedAt: Moment
    UpdatedAt: Moment
    Version: Annotated[str, Meta(description="Another after each change.", examples=["17-1"])]


class OneLink(TypedDict):
    """One link; its version is the ETag."""

    err: Ok
    link: Link


class ChangeResult(TypedDict):
    """What became of a change: the status and the words that it would have had alone."""

    status: Annotated[int, Meta(examples=[200])]
    err: Annotated[str, Meta(description="Empty: no error.", examples=[""])]
    code: NotRequired[Annotated[str, Meta(examples=["link_exists"])]]
    field: NotRequired[Annotated[str, Meta(examples=["url"])]]
    version: NotRequired[Annotated[str, Meta(description="The link's, now.", examples=["17-1"])]]


class ChangeResults(TypedDict):
    """What became of each change, in order."""

    err: Ok
    results: list[ChangeResult]


class LinkPage(TypedDict):
    """Links, in order."""

    err: Ok
    links: list[Link]
    next_token: NextToken


class FollowersPage(TypedDict):
    """Who follows the caller."""

    err: Ok
    followers: Names
    next_token: NextToken


class FollowingPage(TypedDict):
    """Whom the caller follows."""

    err: Ok
    following: Names
    next_token: NextToken


class BlockedPage(TypedDict):
    """Whom the caller has blocked."""

    err: Ok
    blocked: Names
    next_token: NextToken


class UserProfile(TypedDict):
    """A person, as the caller finds them."""

    Username: Annotated[str, Meta(examples=["bob"])]
    Name: Annotated[str, Meta(examples=["Bob"])]
    CreatedAt: Moment
    Links: Annotated[int, Meta(description="How many of their links the caller may see.")]
    Followers: int
    Following: int
    Followed: Annotated[bool, Meta(description="Whether the caller follows them.")]
    Blocked: Annotated[bool, Meta(description="Whether the caller has blocked them.")]


class Profile(TypedDict):
    """A person's page."""

    err: Ok
    user: UserProfile


class Event(TypedDict):
    """What somebody did to a link."""

    EventType: Annotated[
        str, Meta(description="LINK_ADDED, LINK_UPDATED or LINK_DELETED.", examples=["LINK_ADDED"])
    ]
    Username: Annotated[str, Meta(description="Who did it.", examples=["bob"])]
    Url: Annotated[str, Meta(examples=["https://nats.io/about/"])]
    Title: Annotated[str, Meta(examples=["About NATS"])]
    Timestamp: Moment


class NewsPage(TypedDict):
    """What the people whom the caller follows did."""

    err: Ok
    events: list[Event]
    next_token: NextToken


class Home(TypedDict):
    """What this is, and where to go on."""

    err: Ok
    name: Literal["Delinkcious"]
    version: Annotated[str, Meta(examples=["1.0.0"])]
    sign_in: Annotated[str, Meta(examples=["https://example.org/login"])]
    api: Annotated[str, Meta(examples=["https://example.org/v1.0"])]


class SignedIn(TypedDict):
    """Who has signed in: what the provider tells of them, and our name and token for them."""

    err: Ok
    username: Annotated[str, Meta(examples=["alice"])]
    access_token: Annotated[
        str, Meta(description="To be sent as Access-Token.", examples=["dlk_…"])
    ]
    expires_at: Moment


class Health(TypedDict):
    """How the gateway is, and what it needs."""

    status: Literal["live", "ready", "not ready"]
    dependencies: NotRequired[dict[str, Literal["up", "away"]]]
    waiting_for: NotRequired[list[str]]


class Problem(TypedDict):
    """An error: a problem document (RFC 9457)."""

    type: Annotated[str, Meta(examples=["about:blank"])]
    title: Annotated[str, Meta(description="The status in words.", examples=["Bad Request"])]
    status: Annotated[int, Meta(examples=[400])]
    code: Annotated[
        str, Meta(description="Names the fact; stays the same.", examples=["missing_url"])
    ]
    err: Annotated[str, Meta(description="A sentence for a person.", examples=["url is missing."])]
    detail: NotRequired[Annotated[str, Meta(description="The same.", examples=["url is missing."])]]
    field: NotRequired[Annotated[str, Meta(description="What is wrong.", examples=["url"])]]
    request_id: NotRequired[Annotated[str, Meta(description="Names the request in the logs.")]]


DONE: Done = {"err": ""}


def home(public_url: str, version: str) -> Home:
    """Tell a program what this is."""
    return {
        "err": "",
        "name": "Delinkcious",
        "version": version,
        "sign_in": f"{public_url}/login",
        "api": f"{public_url}/v1.0",
    }


def signed_in(profile: Result, result: Result) -> dict[str, Any]:
    """Dump who has signed in; what the provider tells never hides what we say."""
    ours = ("username", "access_token", "expires_at")
    return {"err": ""} | dict(profile) | {name: result[name] for name in ours}


def news(page: Result) -> NewsPage:
    """Dump a page of news."""
    return {
        "err": "",
        "events": [
            {
                "EventType": event["event_type"],
                "Username": event["username"],
                "Url": event["url"],
                "Title": event["title"],
                "Timestamp": event["timestamp"],
            }
            for event in page["events"]
        ],
        "next_token": page["next_token"],
    }


def links(result: Result) -> LinkPage:
    """Dump a page of links."""
    return {
        "err": "",
        "links": [link(each) for each in result["links"]],
        "next_token": result["next_token"],
    }


def link(document: Result) -> Link:
    """Dump a link."""
    return {
        "Url": document["url"],
        "Title": document["title"],
        "Description": document["description"],
        "Tags": dict.fromkeys(document["tags"], True),
        "Status": document["status"],
        "Visibility": document["visibility"],
        "CreatedAt": document["created_at"],
        "UpdatedAt": document["updated_at"],
        "Version": document["version"],
    }


def tagged(body: Result, document: Result) -> Tagged:
    """Give an answer the version of a link as its ETag."""
    return 200, body, {"ETag": f'"{document["version"]}"'}


def change_results(results: list[Result]) -> ChangeResults:
    """Dump what became of each change."""
    return {"err": "", "results": [_change_result(each) for each in results]}


def _change_result(result: Result) -> ChangeResult:
    if "link" in result:
        return {"status": 200, "err": "", "version": result["link"]["version"]}
    kind, code, err, field = result["error"]
    refused: ChangeResult = {"status": _STATUS[kind], "code": code, "err": err}
    return refused | {"field": field} if field else refused


def followers(result: Result) -> FollowersPage:
    """Dump a page of user names, as the API has them: ``{"bob": true}``."""
    return {"err": "", "followers": _names(result), "next_token": result["next_token"]}


def following(result: Result) -> FollowingPage:
    """Dump a page of user names, as the API has them: ``{"bob": true}``."""
    return {"err": "", "following": _names(result), "next_token": result["next_token"]}


def blocked(result: Result) -> BlockedPage:
    """Dump a page of user names, as the API has them: ``{"bob": true}``."""
    return {"err": "", "blocked": _names(result), "next_token": result["next_token"]}


def profile(user: Result, links: int, people: Result) -> Profile:
    """Dump a person: of user_svc, how many links, and of social_graph_svc."""
    found: UserProfile = {
        "Username": user["username"],
        "Name": user["name"],
        "CreatedAt": user["created_at"],
        "Links": links,
        "Followers": people["followers"],
        "Following": people["following"],
        "Followed": people["follows"],
        "Blocked": people["blocks"],
    }
    return {"err": "", "user": found}


def _names(result: Result) -> dict[str, Literal[True]]:
    return dict.fromkeys(result["usernames"], True)
