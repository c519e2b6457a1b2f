"""Errors across gRPC: out as trailers, back as the same error."""

import pytest
from grpc import StatusCode
from nameko_grpc.errors import GrpcError

from chassis import errors
from chassis.grpc.statuses import error_in, trailers_of


@pytest.mark.parametrize("kind", errors.KINDS)
@pytest.mark.parametrize("field", ["", "url"])
def test_error_comes_back_as_it_was(kind: type[errors.ServiceError], field: str) -> None:
    error = kind("some_code", "Grüße — 100 %\nand more.", field)
    found = error_in([(":status", "200"), *trailers_of(error)])
    assert type(found) is kind
    assert found.args == error.args


def test_success_is_no_error() -> None:
    assert error_in([(":status", "200"), *trailers_of(None)]) is None


def test_other_errors_say_nothing_of_themselves() -> None:
    class Kind(errors.NotFound):
        pass

    for error in (ValueError("secret"), Kind("secret", "secret"), errors.ServiceError("secret")):
        assert dict(trailers_of(error)) == {"grpc-status": "13", "grpc-message": "internal error"}


def test_status_of_a_method_is_passed_on() -> None:
    error = GrpcError(StatusCode.DATA_LOSS, "gone")
    assert dict(trailers_of(error)) == {"grpc-status": "15", "grpc-message": "gone"}


def test_long_sentence_is_cut() -> None:
    assert len(dict(trailers_of(errors.NotFound("code", "x" * 100_000)))["grpc-message"]) < 2000


@pytest.mark.parametrize(
    ("headers", "kind", "code"),
    [
        ([("grpc-status", "5"), ("grpc-message", "no")], errors.NotFound, "not_found"),
        ([("grpc-status", "14")], errors.Unavailable, "peer_away"),
        ([("grpc-status", "1")], errors.Unavailable, "peer_away"),
        ([("grpc-status", "4")], errors.Unavailable, "peer_timed_out"),
        ([("grpc-status", "13")], errors.Unavailable, "peer_failed"),
        ([("grpc-status", "12")], errors.Unavailable, "peer_failed"),
        ([("grpc-status", "99")], errors.Unavailable, "peer_failed"),
        ([("grpc-status", "zero")], errors.Unavailable, "peer_failed"),
        ([(":status", "503")], errors.Unavailable, "peer_away"),
        ([(":status", "404")], errors.Unavailable, "peer_failed"),
        ([], errors.Unavailable, "peer_failed"),
    ],
)
def test_foreign_status_is_a_kind(
    headers: list[tuple[str, str]], kind: type[errors.ServiceError], code: str
) -> None:
    error = error_in(headers)
    assert type(error) is kind
    assert error.code == code
