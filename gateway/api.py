"""The routes of the public API, each declared once: who may call it, what it takes and answers.

    @api("GET", "links", scope="read", takes=parameters.LinkQuery, answers=answers.LinkPage)
    def get_links(self, call: Call[parameters.LinkQuery]) -> answers.LinkPage:
        \"\"\"List the caller's links, filtered.\"\"\"
        return answers.links(self.links.get_links(call.username, call.params))

The method runs for callers who are let in, with parameters of the declared type. The same
declaration is what /openapi.json says of the route. A service needs ``users`` to tell who calls,
and ``sizes`` to tell how large requests may be.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Generic, Literal, TypeVar

from chassis import http
from chassis.errors import AlreadyExists, InvalidInput, ServiceError
from gateway import answers, auth, parameters
from gateway.sizes import narrowed
from gateway.validation import Reader

P = TypeVar("P")
Handler = Callable[..., Any]
# What a token must be good for; "account" is what only a person who has signed in may do, and
# "any" what everybody may who has a token.
Scope = Literal["any", "read", "write", "account"]
# What may be asked next: the name of a handler, and where its parameters are found.
Leads = dict[str, dict[str, str]]

KEY = "Idempotency-Key"
_KEY = re.compile(r"[ -~]{1,255}")
_KEY_REFUSALS = (AlreadyExists("idempotency_key_in_use"), AlreadyExists("idempotency_key_reused"))

_OPTIONS = ("timeout_key", "body_key")  # of http.http

PREFIX = "/v1.0"
ALIAS = "/v1"


@dataclass(frozen=True)
class Call(Generic[P]):
    """A request that may be answered: who calls (nobody, where nobody need sign in), and what."""

    request: http.Request
    username: str
    params: P
    caller: auth.Caller = auth.NOBODY

    @property
    def idempotency_key(self) -> str:
        """The caller's key, or nothing; raise ``invalid_idempotency_key``."""
        key = self.request.headers.get(KEY)
        if key is None:
            return ""
        if not _KEY.fullmatch(key):
            message = f"{KEY} has 1 to 255 printable characters of ASCII."
            raise InvalidInput("invalid_idempotency_key", message, KEY)
        return key

    @property
    def versions(self) -> list[str] | None:
        """The versions that If-Match names; None: any that there is."""
        wanted = self.request.if_match
        if "If-Match" not in self.request.headers or wanted.star_tag:
            return None
        return sorted(filter(None, wanted.as_set()))  # Werkzeug reads "" as None


@dataclass(frozen=True)
class Body:
    """An answer: its status, what it is, its media types, and what a body of JSON holds."""

    description: str
    status: int = 200
    media: tuple[str, ...] = ("application/json",)
    schema: Any = None


@dataclass(frozen=True)
class Route:
    """What is declared of a route."""

    method: str
    path: str
    scope: Scope | None
    takes: type
    answers: tuple[Body, ...]
    refuses: tuple[ServiceError, ...]
    leads: Leads
    keyed: bool
    conditional: bool
    anonymous: bool
    uploads: tuple[str, ...]
    handler: Handler

    @property
    def room(self) -> str:
        """What the route belongs to: ``links``, ``people`` …"""
        return self.handler.__module__.rpartition(".")[2]


def api(method: str, path: str, **declared: Any) -> Callable[[Handler], Handler]:
    """Declare a route under /v1.0 and its alias /v1; see ``route``."""

    def declare(handler: Handler) -> Handler:
        entrypoint = route(method, f"{PREFIX}/{path}", **declared)(handler)
        options = {name: declared[name] for name in _OPTIONS if name in declared}
        return http.http(method, rule(f"{ALIAS}/{path}"), **options)(entrypoint)

    return declare


def rule(path: str) -> str:
    """Return a path with {parameters}, as OpenAPI has them, as werkzeug has it."""
    return path.replace("{", "<").replace("}", ">")


def route(
    method: str,
    path: str,
    *,
    scope: Scope | None,
    takes: type = parameters.Nothing,
    answers: Any = answers.Done,
    refuses: tuple[ServiceError, ...] = (),
    leads: Leads | None = None,
    keyed: bool = False,
    conditional: bool = False,
    reads: bool = True,
    anonymous: bool = False,
    uploads: tuple[str, ...] = (),
    **options: Any,
) -> Callable[[Handler], Handler]:
    """Declare a route.

    ``scope``: what the caller's token must be good for; None: nobody need be signed in.
    ``anonymous``: whether nobody need be where ANONYMOUS_READERS says so.
    ``takes``: the TypedDict of its parameters, also of those that ``{name}`` puts into the path;
    without ``reads`` the handler reads them itself.
    ``answers``: the TypedDict of its JSON, or one or more of Body.
    ``refuses``: the errors that are this route's own, beside those of all routes.
    ``leads``: which routes are for what has been answered, as OpenAPI's links say it.
    ``keyed``: it may be called with an Idempotency-Key; ``conditional``: with If-Match.
    ``uploads``: the media types of a body that is a file; parameters are in the query then.
    ``options`` are those of ``http.http``.
    """
    bodies = answers if isinstance(answers, tuple) else (answers,)
    bodies = tuple(each if isinstance(each, Body) else _json(each) for each in bodies)
    refuses += _KEY_REFUSALS if keyed else ()
    read = takes if reads else parameters.Nothing
    reader = cache(lambda sizes: Reader[Any](narrowed(read, sizes)))

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        def answer(service: Any, request: http.Request, **in_path: str) -> Any:
            needed = scope
            if anonymous and service.anonymous_readers and auth.is_anonymous(request):
                needed = None
            caller = auth.caller(request, service.users, needed) if needed else auth.NOBODY
            params = reader(service.sizes).request(request, in_path, not uploads)
            return handler(service, Call(request, caller.username, params, caller))

        declared = Route(
            method=method,
            path=path,
            scope=scope,
            takes=takes,
            answers=bodies,
            refuses=refuses,
            leads=leads or {},
            keyed=keyed,
            conditional=conditional,
            anonymous=anonymous,
            uploads=uploads,
            handler=handler,
        )
        answer.route = declared  # type: ignore[attr-defined]
        return http.http(method, rule(path), **options)(answer)

    return declare


def routes(service: type) -> list[Route]:
    """Return what the methods of a service and its bases declare, in the order of the bases."""
    methods = [method for base in service.__mro__ for method in vars(base).values()]
    return [method.route for method in methods if isinstance(getattr(method, "route", None), Route)]


def _json(schema: Any) -> Body:
    return Body((schema.__doc__ or "").partition("\n")[0], schema=schema)
