"""Errors as gRPC trailers, and trailers as errors."""

from collections.abc import Iterable
from typing import Any

from grpc import StatusCode
from nameko_grpc.errors import GrpcError
from nameko_grpc.headers import quote_decode, quote_encode

from chassis.errors import ServiceError, Unavailable
from chassis.grpc.kinds import GRPC_STATUS, KIND_OF_GRPC_STATUS

Headers = list[tuple[str, Any]]

# Beside the status and the sentence, so that the caller rebuilds the error that was raised.
_CODE = "delinkcious-code"
_FIELD = "delinkcious-field"
# grpcio refuses more than 8 KiB of metadata.
_MAX_SENTENCE = 1024
_STATUSES = {str(status.value[0]): status for status in StatusCode}
_PROXY_IS_ALONE = {"429", "502", "503", "504"}


def trailers_of(error: BaseException | None) -> Headers:
    """Return the trailers that report ``error``, or success where it is None.

    Only what is meant for the caller goes out: nameko-grpc (1.4.0rc3) sent the text, and on
    request the traceback, of any exception.
    """
    if error is None:
        return _trailers(StatusCode.OK)
    if isinstance(error, ServiceError) and type(error) in GRPC_STATUS:
        headers = _trailers(GRPC_STATUS[type(error)], error.message)
        headers.append((_CODE, quote_encode(error.code)))
        if error.field:
            headers.append((_FIELD, quote_encode(error.field)))
        return headers
    if isinstance(error, GrpcError):
        return _trailers(error.code, error.message)
    return _trailers(StatusCode.INTERNAL, "internal error")


def _trailers(status: StatusCode, message: str = "") -> Headers:
    headers: Headers = [("grpc-status", str(status.value[0]))]
    if message:
        headers.append(("grpc-message", quote_encode(message[:_MAX_SENTENCE])))
    return headers


def error_in(headers: Iterable[tuple[str, Any]]) -> ServiceError | None:
    """Return the error that the last headers of an answer report, or None for success."""
    found = dict(headers)
    status = _status(found)
    if status is StatusCode.OK:
        return None
    message = quote_decode(found.get("grpc-message", ""))
    kind = KIND_OF_GRPC_STATUS.get(status)
    code = quote_decode(found.get(_CODE, ""))
    if kind and code:
        return kind(code, message, quote_decode(found.get(_FIELD, "")))
    if status is StatusCode.DEADLINE_EXCEEDED:
        return timed_out()
    if status in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED):
        return away()
    if kind:
        return kind(status.name.lower(), message)
    return failed(GrpcError(status, message))


def _status(headers: dict[str, Any]) -> StatusCode:
    if "grpc-status" in headers:
        return _STATUSES.get(headers["grpc-status"], StatusCode.UNKNOWN)
    if headers.get(":status") in _PROXY_IS_ALONE:
        return StatusCode.UNAVAILABLE
    return StatusCode.UNKNOWN


def away() -> Unavailable:
    """Return the error of a call whose server cannot be reached."""
    return Unavailable("peer_away", "A part of the system is away; try again.")


def timed_out() -> Unavailable:
    """Return the error of a call that was not answered in time."""
    return Unavailable("peer_timed_out", "A part of the system did not answer in time; try again.")


def failed(cause: Exception | None) -> Unavailable:
    """Return the error of a call that its server broke."""
    error = Unavailable("peer_failed", "A part of the system failed; try again.")
    error.__cause__ = cause
    return error


def busy() -> Unavailable:
    """Return the error of a call beyond what may be under way at a time."""
    return Unavailable("peer_busy", "A part of the system is busy; try again.")
