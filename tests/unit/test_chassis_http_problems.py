"""Errors as problem documents."""

from typing import Any

import eventlet
import pytest
from nameko.exceptions import MethodNotFound, RemoteError, UnknownService
from werkzeug import exceptions
from werkzeug.wrappers import Response

from chassis import errors
from chassis.http import problems
from chassis.status import HTTP_STATUS


def document(response: Response) -> dict[str, Any]:
    body = response.get_json()
    assert response.mimetype == "application/problem+json"
    assert body["type"] == "about:blank"
    assert body["status"] == response.status_code
    assert body["title"] in response.status
    return body


@pytest.mark.parametrize("kind", errors.KINDS)
def test_each_kind_has_its_status_code_and_sentence(kind: type[errors.ServiceError]) -> None:
    response = problems.of_exception(kind("some_code", "A sentence.", "url"))
    body = document(response)

    assert response.status_code == HTTP_STATUS[kind]
    assert (body["code"], body["detail"], body["err"]) == (
        "some_code",
        "A sentence.",
        "A sentence.",
    )
    assert body["field"] == "url"


def test_no_field_is_no_member() -> None:
    assert "field" not in document(problems.of_exception(errors.NotFound("gone", "Gone.")))


def test_unauthenticated_names_the_scheme() -> None:
    response = problems.of_exception(errors.Unauthenticated("access_denied", "Access Denied!"))

    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert document(response)["err"] == "Access Denied!"


@pytest.mark.parametrize(
    "exc", [errors.Unavailable("away"), UnknownService("x"), exceptions.TooManyRequests()]
)
def test_what_passes_says_when_to_try_again(exc: Exception) -> None:
    assert problems.of_exception(exc).headers["Retry-After"] == "1"


def test_unknown_service_is_unavailable_without_its_name() -> None:
    response = problems.of_exception(UnknownService("link_svc"))

    assert (response.status_code, document(response)["code"]) == (503, "unavailable")
    assert b"link_svc" not in response.get_data()


class Mistake(errors.NotFound):
    """A subclass, which nobody should raise."""


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("secret"),
        RemoteError("ValueError", "secret"),
        MethodNotFound("secret"),
        eventlet.Timeout(None, "secret"),
        Mistake("secret"),
        errors.ServiceError("secret"),
    ],
)
def test_unexpected_errors_say_nothing(exc: BaseException) -> None:
    response = problems.of_exception(exc)

    assert (response.status_code, document(response)["code"]) == (500, "internal_error")
    assert b"secret" not in response.get_data()


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (exceptions.BadRequest("secret"), 400, "bad_request"),
        (exceptions.NotFound(), 404, "not_found"),
        (exceptions.MethodNotAllowed(), 405, "method_not_allowed"),
        (exceptions.RequestEntityTooLarge(), 413, "body_too_large"),
        (exceptions.UnsupportedMediaType(), 415, "unsupported_media_type"),
        (exceptions.ImATeapot(), 418, "im_a_teapot"),
    ],
)
def test_refusals_of_http_have_stable_codes(exc: Exception, status: int, code: str) -> None:
    response = problems.of_exception(exc)

    assert (response.status_code, document(response)["code"]) == (status, code)
    assert b"secret" not in response.get_data()


def test_method_not_allowed_names_the_methods() -> None:
    response = problems.of_exception(exceptions.MethodNotAllowed(["POST", "GET"]))

    assert response.headers["Allow"] == "GET, OPTIONS, POST"
