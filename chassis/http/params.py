"""A request's parameters, wherever they were put: query, form or JSON body."""

import json
import re
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Request

from chassis.errors import InvalidInput

MAX_DEPTH = 16
# NUL, which PostgreSQL takes in no text, and halves of surrogate pairs, which no UTF-8 holds.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


def params(
    request: Request, lists: Collection[str] = (), *, read_body: bool = True
) -> dict[str, Any]:
    """Return query and body parameters as one mapping; those of the body win.

    Without ``read_body`` the body is something else than parameters.

    A name of ``lists`` may be given several times in a query or form and is a list then; any
    other repeated name is refused. Raises ``invalid_json``, ``invalid_encoding``,
    ``invalid_text`` and ``repeated_parameter`` (InvalidInput), or UnsupportedMediaType.
    """
    found = _query(request, lists)
    if read_body and request.environ.get("CONTENT_LENGTH") != "0":
        body = request.get_data(cache=True, parse_form_data=False)
        if body:
            found.update(_body(request, body, lists))
    for name, value in found.items():
        _check(name, "body")
        _check(value, name)
    return found


def _query(request: Request, lists: Collection[str]) -> dict[str, Any]:
    query = request.environ.get("QUERY_STRING", "")
    if not query:
        return {}
    return _merge(_urlencoded(query.encode("latin-1"), "query"), lists)


def _body(request: Request, body: bytes, lists: Collection[str]) -> dict[str, Any]:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    if options.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType
    text = _decode(body, "body")
    # curl sends a form unless told otherwise; a body without a type is taken for JSON.
    if kind in ("", _JSON) or kind.endswith("+json"):
        return _json(text)
    if kind == _FORM:
        return _merge(_urlencoded(body, "body"), lists)
    if kind == _MULTIPART:
        return _merge(_multipart(request), lists)
    raise UnsupportedMediaType


def _multipart(request: Request) -> Iterable[tuple[str, str]]:
    if request.files:
        request.close()  # or the files stay open until they are collected
        raise UnsupportedMediaType
    # A part without a name is no parameter.
    return ((name, text) for name, text in request.form.items(multi=True) if name is not None)


def _decode(raw: bytes, field: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("invalid_encoding", f"The {field} is not valid UTF-8.", field) from None


def _urlencoded(raw: bytes, field: str) -> Iterable[tuple[str, str]]:
    try:
        return parse_qsl(_decode(raw, field), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("invalid_encoding", f"The {field} is not valid UTF-8.", field) from None


def _merge(pairs: Iterable[tuple[str, str]], lists: Collection[str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name, value in pairs:
        if name not in merged:
            merged[name] = value
        elif name not in lists:
            raise InvalidInput("repeated_parameter", "Give this parameter once.", name)
        elif isinstance(merged[name], list):
            merged[name].append(value)
        else:
            merged[name] = [merged[name], value]
    return merged


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except (ValueError, RecursionError):
        raise InvalidInput("invalid_json", "The body is not valid JSON.", "body") from None
    if not isinstance(value, dict):
        raise InvalidInput("invalid_json", "The body must be a JSON object.", "body")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("too large a number")
    return number


def _check(value: Any, field: str, depth: int = 1) -> None:
    """Refuse texts that are none, and JSON that is nested too deeply."""
    if isinstance(value, str):
        if _NO_TEXT.search(value):
            raise InvalidInput("invalid_text", "A text holds a character that is none.", field)
        return
    if not isinstance(value, dict | list):
        return
    if depth > MAX_DEPTH:
        raise InvalidInput("invalid_json", "The body is nested too deeply.", "body")
    for item in value:
        _check(item, field, depth + 1)
        if isinstance(value, dict):
            _check(value[item], field, depth + 1)
