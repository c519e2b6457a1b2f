"""Errors as HTTP answers: RFC 9457 problem documents that carry a stable ``code``."""

import json
from http import HTTPStatus
from typing import Any

from nameko.exceptions import ContainerBeingKilled, UnknownService
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response

from chassis.errors import ServiceError
from chassis.status import HTTP_STATUS
from chassis.telemetry import current

RETRY_AFTER_SECONDS = 1

# What HTTP itself refuses: code and sentence by status.
_REFUSALS: dict[int, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: ("bad_request", "The request cannot be understood."),
    HTTPStatus.UNAUTHORIZED: ("access_denied", "Access Denied!"),
    HTTPStatus.FORBIDDEN: ("forbidden", "You may not do this."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is nothing at this address."),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        "method_not_allowed",
        "This address does not know this method; Allow names those that it knows.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("body_too_large", "The body is too large."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        "unsupported_media_type",
        "Send the parameters as JSON or as a form.",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: ("too_many_requests", "Too many requests; wait a little."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("unavailable", "Not available now; try again."),
}


def document(
    status: HTTPStatus, code: str, detail: str = "", field: str = "", **headers: str
) -> Response:
    """Return a problem document; ``err`` repeats the sentence for readers of plain answers."""
    err = detail or status.phrase
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "err": err,
    }
    if detail:
        body["detail"] = detail
    if field:
        body["field"] = field
    if request_id := current.request_id():
        body["request_id"] = request_id
    response = Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n",
        status=f"{status.value} {status.phrase}",
        content_type="application/problem+json",
    )
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return tells_of(response, code)


def tells_of(response: Response, code: str) -> Response:
    """Say which problem an answer tells of, so that it is counted; return the answer."""
    response.problem = code  # type: ignore[attr-defined]
    return response


def too_many_requests() -> Response:
    """Return the answer to somebody who comes too often."""
    return document(HTTPStatus.TOO_MANY_REQUESTS, *_REFUSALS[HTTPStatus.TOO_MANY_REQUESTS])


def of_exception(exc: BaseException) -> Response:
    """Return the answer for ``exc``; nothing of an unexpected one's text gets out."""
    if isinstance(exc, ServiceError) and type(exc) in HTTP_STATUS:
        challenge = {"WWW_Authenticate": exc.challenge} if exc.challenge else {}
        return document(HTTP_STATUS[type(exc)], exc.code, exc.message, exc.field, **challenge)
    if isinstance(exc, HTTPException):
        return of_http_exception(exc)
    if isinstance(exc, UnknownService | ContainerBeingKilled):
        return document(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            "A part of the system is away; try again.",
        )
    return document(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error")


def of_http_exception(exc: HTTPException) -> Response:
    """Return Werkzeug's refusal as a problem document, its headers kept."""
    if isinstance(exc.response, Response):
        return exc.response
    status = HTTPStatus(exc.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code, detail = _REFUSALS.get(status, (status.name.lower(), ""))
    response = document(status, code, detail)
    if isinstance(exc, MethodNotAllowed) and exc.valid_methods:
        response.headers["Allow"] = ", ".join(sorted({*exc.valid_methods, "OPTIONS"}))
    return response
