"""The description of the public API: OpenAPI 3.1, made of what the routes declare."""

from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from importlib import metadata
from inspect import getdoc
from typing import Any

import msgspec

from chassis import errors
from chassis.status import HTTP_STATUS
from gateway import answers
from gateway.api import ALIAS, KEY, PREFIX, Body, Route
from gateway.sizes import LARGEST, Sizes, narrowed
from gateway.validation import hints

Json = dict[str, Any]

VERSION = metadata.version("delinkcious")
ABOUT = f"""
Save links, follow people, and read the news: what they added, changed or removed.

Every call but signing in carries an access token, as `Access-Token: TOKEN` or as
`Authorization: Bearer TOKEN`. Parameters are given in the query, or in a body of JSON or of a
form; what is shown here for one place is taken from the others too, and what is unknown is
ignored. No text may hold NUL. `{ALIAS}` is the same as `{PREFIX}`. HEAD answers as GET does,
without a body.

Success is status 200 with an empty `err`. An error is a problem document (RFC 9457) with a `code`
that stays the same, and the `field` at fault if there is one.
""".strip()

_SCHEMAS = "#/components/schemas/{name}"
_IN_BODY = ("POST", "PUT", "PATCH")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_KEY: Json = {
    "name": KEY,
    "in": "header",
    "description": (
        "A text of your own. The same request with the same key is done once, and answered the"
        " same, for 24 hours; with another request, the key is refused."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of the link as you know it: if it has changed since, nothing is done.",
    "schema": {"type": "string"},
    "example": '"17-1"',
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_WORDS = {
    HTTPStatus.BAD_REQUEST: "A parameter, or the request itself, is wrong.",
    HTTPStatus.UNAUTHORIZED: "The access token is missing, unknown, revoked or expired.",
    HTTPStatus.FORBIDDEN: "The caller may not do this.",
    HTTPStatus.NOT_FOUND: "It is not there.",
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long to arrive.",
    HTTPStatus.CONFLICT: "It is there, or under way, already.",
    HTTPStatus.PRECONDITION_FAILED: "It is not as If-Match has it.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is too long.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is neither JSON nor a form.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A quota is used up.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; wait for Retry-After seconds.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The header is too large.",
    HTTPStatus.SERVICE_UNAVAILABLE: "A part of the system is away; try again.",
    HTTPStatus.GATEWAY_TIMEOUT: "The identity provider did not answer in time.",
}
# What may come of any request whatever.
_ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_WITH_RETRY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_HEALTH: dict[str, tuple[str, int | None]] = {
    "/health/live": ("Whether the gateway runs.", None),
    "/health/ready": ("Whether the whole system can serve.", HTTPStatus.SERVICE_UNAVAILABLE),
}


def document(
    public_url: str,
    routes: Iterable[Route],
    sizes: Sizes = LARGEST,
    anonymous_readers: bool = False,
) -> Json:
    """Describe these routes as they are configured, and the health of the gateway."""
    declared = [
        replace(
            route,
            takes=narrowed(route.takes, sizes),
            anonymous=route.anonymous and anonymous_readers,
        )
        for route in routes
    ]
    shown = {body.schema for route in declared for body in route.answers if body.schema}
    names = sorted(shown | {answers.Problem, answers.Health}, key=lambda each: each.__name__)
    _, schemas = msgspec.json.schema_components(names, ref_template=_SCHEMAS)
    paths: dict[str, Json] = {}
    for route in declared:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    for path, (words, unready) in _HEALTH.items():
        paths[path] = {"get": _health(path, words, unready)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Delinkcious", "version": VERSION, "description": ABOUT},
        "servers": [{"url": public_url}],
        "tags": [{"name": name} for name in dict.fromkeys(route.room for route in declared)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {_name(status): _refused(status) for status in _WORDS},
            "securitySchemes": {
                "AccessToken": {"type": "apiKey", "in": "header", "name": "Access-Token"},
                "Bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route, schemas: Json) -> Json:
    summary, _, rest = (getdoc(route.handler) or "").partition("\n")
    operation: Json = {
        "operationId": route.handler.__name__,
        "summary": summary,
        "tags": [route.room],
        **({"description": rest.strip()} if rest.strip() else {}),
        **_taken(route),
        "responses": {str(body.status): _answer(body, route, schemas) for body in route.answers},
    }
    operation["responses"] |= _refusals(route)
    scopes = [route.scope] if route.scope else []
    operation["security"] = [{"AccessToken": scopes}, {"Bearer": scopes}] if scopes else []
    operation["security"] += [{}] if route.anonymous else []
    return operation


def _taken(route: Route) -> Json:
    """Describe what goes in: headers, and parameters in a body, or else in the query."""
    headers = [_KEY] if route.keyed else []
    headers += [_IF_MATCH] if route.conditional else []
    schema = schema_of(route.takes)
    if route.method in _IN_BODY and schema["properties"] and not route.uploads:
        return {**({"parameters": headers} if headers else {}), "requestBody": _body(schema)}
    required = schema.get("required", ())
    found = headers + [
        _in_address(route, name, each, name in required)
        for name, each in schema["properties"].items()
    ]
    taken: Json = {"parameters": found} if found else {}
    if route.uploads:
        file = {"schema": {"type": "string"}}
        taken["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(route.uploads, file),
        }
    return taken


def _body(schema: Json) -> Json:
    """Describe a body of JSON, or a form where one can say as much."""
    content = {"application/json": {"schema": schema}}
    if not any(_is_nested(each) for each in schema["properties"].values()):
        texts = {name: _as_text(each) for name, each in schema["properties"].items()}
        form = schema | {"properties": texts, "additionalProperties": {"type": "string"}}
        content |= {media: {"schema": form} for media in _FORMS}
    return {"required": True, "content": content}


def _is_nested(schema: Json) -> bool:
    return schema.get("items", {}).get("type") == "object"


def schema_of(takes: type) -> Json:
    """Return the JSON Schema of a route's parameters, in the order in which they are declared."""
    (_,), found = msgspec.json.schema_components([takes], ref_template=_SCHEMAS)
    schema: Json = found[takes.__name__]
    return schema | {"properties": {name: schema["properties"][name] for name in hints(takes)}}


def _in_address(route: Route, name: str, schema: Json, required: bool) -> Json:
    schema = _as_text(schema)
    words = schema.pop("description", "")
    place = "path" if f"{{{name}}}" in route.path else "query"
    found = {"name": name, "in": place, "description": words, "schema": schema}
    return found | ({"required": True} if required else {})


def _as_text(schema: Json) -> Json:
    """Return what of a schema can be said where everything is text: no null, no object."""
    kinds = [each for each in schema.get("anyOf", ()) if each["type"] not in ("null", "object")]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return rest | ({"anyOf": kinds} if len(kinds) > 1 else kinds[0] if kinds else {})


def _answer(body: Body, route: Route, schemas: Json) -> Json:
    found: Json = {"description": body.description}
    if body.media:
        found["content"] = {media: {} for media in body.media}
    for media in body.media:
        if media.endswith("json") and body.schema is not None:
            schema = {"$ref": _SCHEMAS.format(name=body.schema.__name__)}
            example = example_of(schema, schemas)
            found["content"][media] = {"schema": schema, "example": example}
    leads = route.leads if body.status == HTTPStatus.OK else {}
    if leads:
        found["links"] = {
            name: {"operationId": name, "parameters": given} for name, given in leads.items()
        }
    return found


def example_of(schema: Json, schemas: Json) -> Any:
    """Return a value of a schema, made of the examples that it gives."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {name: example_of(each, schemas) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    return {"string": "", "integer": 1, "boolean": True}.get(schema.get("type", ""))


def _refusals(route: Route) -> Json:
    codes: dict[HTTPStatus, list[str]] = {status: [] for status in _ALWAYS}
    if route.scope:
        codes |= {HTTPStatus.UNAUTHORIZED: [], HTTPStatus.FORBIDDEN: []}
    for error in route.refuses:
        codes.setdefault(_status(error), []).append(error.code)
    return {str(int(status)): _refusal(status, codes[status]) for status in sorted(codes)}


def _status(error: errors.ServiceError) -> HTTPStatus:
    return HTTP_STATUS[type(error)]


def _refusal(status: HTTPStatus, codes: list[str]) -> Json:
    if not codes:
        return {"$ref": f"#/components/responses/{_name(status)}"}
    named = ", ".join(f"`{code}`" for code in codes)
    return _refused(status) | {"description": f"{_WORDS[status]} Code: {named}."}


def _refused(status: HTTPStatus) -> Json:
    found: Json = {"description": _WORDS[status], "content": _PROBLEM}
    if status in _WITH_RETRY:
        schema = {"type": "integer", "minimum": 0}
        found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": schema}}
    return found


def _name(status: HTTPStatus) -> str:
    return status.phrase.title().replace(" ", "").replace("-", "")


def _health(path: str, words: str, unready: int | None) -> Json:
    body = {"application/json": {"schema": {"$ref": _SCHEMAS.format(name="Health")}}}
    found: Json = {"200": {"description": "Yes.", "content": body}}
    if unready:
        found[str(int(unready))] = {"description": "No: waiting_for says why.", "content": body}
    return {
        "operationId": path.strip("/").replace("/", "_"),
        "summary": words,
        "tags": ["health"],
        "security": [],
        "responses": found,
    }
