"""The description of the API as a page for people: /openapi.json, readable."""

import json
import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape
from werkzeug.wrappers import Response

from gateway import pages
from gateway.openapi import Json, example_of

Operation = tuple[str, str, Json]

_CODE = re.compile(r"`([^`]+)`")


def page(document: Json) -> Response:
    """Return the page."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    rooms = [tag["name"] for tag in document["tags"]] + ["health"]
    in_order = sorted(operations, key=lambda each: rooms.index(each[2]["tags"][0]))
    public_url = document["servers"][0]["url"]
    body = pages.fill(
        "docs.html",
        version=document["info"]["version"],
        openapi=f"{public_url}/openapi.json",
        about=_paragraphs(document["info"]["description"]),
        refusals=_statuses(_refusals(operations, document)),
        contents=_join('<li><a href="#{}">{}</a></li>', ((room, _title(room)) for room in rooms)),
        rooms=Markup().join(
            _room(room, list(group), document)
            for room, group in groupby(in_order, key=lambda each: each[2]["tags"][0])
        ),
    )
    return pages.page("The API · Delinkcious", body, home=f"{public_url}/")


def _room(room: str, operations: list[Operation], document: Json) -> Markup:
    shown = Markup().join(_operation(*each, document) for each in operations)
    return Markup('<section id="{}"><h2>{}</h2>{}</section>').format(room, _title(room), shown)


def _operation(path: str, method: str, operation: Json, document: Json) -> Markup:
    return pages.fill(
        "operation.html",
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=_paragraphs(operation.get("description", "")) + _access(operation),
        parameters=_parameters(operation),
        answers=_answers(operation["responses"]),
        example=_example(operation, document),
    )


def _access(operation: Json) -> Markup:
    scopes = [scope for each in operation["security"] for named in each.values() for scope in named]
    words = "A token is needed, with the scope " if scopes else "Nobody need be signed in."
    if scopes and {} in operation["security"]:
        words = "Nobody need be signed in; a token, where there is one, needs the scope "
    return Markup('<p class="soft">{}{}</p>').format(
        words, Markup("<code>{}</code>.").format(scopes[0]) if scopes else ""
    )


def _parameters(operation: Json) -> Markup:
    rows = [
        (each["name"], each.get("required", False), each["schema"], each.get("description", ""))
        for each in operation.get("parameters", ())
    ]
    if schema := _body(operation):
        required = schema.get("required", ())
        for name, each in schema["properties"].items():
            rows.append((name, name in required, each, each.get("description", "")))
    if not rows:
        return Markup()
    shown = _join(
        "<dt><code>{}</code> {}</dt><dd>{} <span>{}</span></dd>",
        (
            (name, "required" if required else "", words, _kind(schema))
            for name, required, schema, words in rows
        ),
    )
    return Markup("<h3>Parameters</h3><dl>{}</dl>").format(shown)


def _refusals(operations: list[Operation], document: Json) -> list[tuple[str, str]]:
    """Return the statuses that more than one operation has, and what they say."""
    responses = document["components"]["responses"]
    found = {
        status: responses[each["$ref"].rpartition("/")[2]]["description"]
        for _, _, operation in operations
        for status, each in operation["responses"].items()
        if "$ref" in each
    }
    return sorted(found.items())


def _kind(schema: Json) -> str:
    """Say of what type a parameter is and how large, in a few words."""
    if "anyOf" in schema:
        kinds = (_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
        return ", or ".join(dict.fromkeys(kinds))
    kind = str(schema.get("type", ""))
    kind = {"string": "text", "integer": "number", "array": "list"}.get(kind, kind)
    if "enum" in schema:
        kind = " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array" and "type" in schema.get("items", {}):
        kind = f"list of {_kind(schema['items'])}"
    limits = {
        "up to {} characters": schema.get("maxLength"),
        "from {}": schema.get("minimum"),
        "to {}": schema.get("maximum"),
        "at most {}": schema.get("maxItems") or schema.get("maxProperties"),
        "else {}": schema.get("default"),
    }
    return ", ".join([kind, *(text.format(n) for text, n in limits.items() if n is not None)])


def _answers(responses: Json) -> Markup:
    """Show the answers of this operation alone; what may come of any is shown once."""
    own = ((status, each) for status, each in responses.items() if "$ref" not in each)
    return _statuses((status, each["description"]) for status, each in own)


def _statuses(rows: Iterable[tuple[str, str]]) -> Markup:
    return _join(
        "<dt><code>{}</code></dt><dd>{}</dd>", ((status, _code(words)) for status, words in rows)
    )


def _example(operation: Json, document: Json) -> Markup:
    schemas = document["components"]["schemas"]
    shown = Markup()
    if schema := _body(operation):
        shown += _block("A body", _given(schema, schemas))
    for each in operation["responses"].values():
        content = each.get("content", {}).get("application/json", {})
        if "example" in content:
            shown += _block("An answer", content["example"])
    return shown


def _body(operation: Json) -> Json:
    """Return the schema of the parameters in a body; a file has none."""
    content = operation.get("requestBody", {}).get("content", {})
    schema: Json = content.get("application/json", {}).get("schema", {})
    return schema


def _given(schema: Json, schemas: Json) -> Json:
    found = {name: example_of(each, schemas) for name, each in schema["properties"].items()}
    return {name: value for name, value in found.items() if value not in ("", None)}


def _block(heading: str, value: Any) -> Markup:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return Markup("<h3>{}</h3><pre>{}</pre>").format(heading, text)


def _paragraphs(text: str) -> Markup:
    return _join("<p>{}</p>", ((_code(each),) for each in text.split("\n\n") if each))


def _code(text: str) -> Markup:
    """Escape a text, and set what stands in backquotes as code."""
    # What is put in between is escaped first.
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _join(template: str, rows: Iterable[tuple[Any, ...]]) -> Markup:
    return Markup().join(Markup(template).format(*row) for row in rows)  # noqa: S704


def _title(room: str) -> str:
    return room.replace("_", " ").capitalize()
