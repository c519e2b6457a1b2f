"""The closed set of errors: every kind has its statuses, and survives the way over the bus."""

import inspect
from http import HTTPStatus

import pytest
from nameko.exceptions import deserialize, serialize

from chassis import errors, status
from chassis.errors import ServiceError
from chassis.grpc import kinds
from chassis.http import problems


def test_kinds_are_all_errors_that_the_module_defines() -> None:
    defined = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ServiceError) and kind is not ServiceError
    }
    assert set(errors.KINDS) == defined
    assert len(errors.KINDS) == len(defined)


def test_every_kind_is_in_both_tables_and_nothing_else_is() -> None:
    assert set(status.HTTP_STATUS) == set(errors.KINDS)
    assert set(kinds.GRPC_STATUS) == set(errors.KINDS)


def test_every_kind_has_a_status_of_its_own() -> None:
    for table in (status.HTTP_STATUS, kinds.GRPC_STATUS):
        assert len(set(table.values())) == len(errors.KINDS)
    assert {code: kind for kind, code in kinds.GRPC_STATUS.items()} == kinds.KIND_OF_GRPC_STATUS


@pytest.mark.parametrize("kind", errors.KINDS)
def test_kind_is_answered_over_http_with_what_it_says(kind: type[ServiceError]) -> None:
    answer = problems.of_exception(kind("a_code", "A sentence.", "a_field"))
    assert HTTPStatus(answer.status_code) is status.HTTP_STATUS[kind]
    assert 400 <= answer.status_code < 600
    problem = answer.get_json(force=True)
    assert (problem["code"], problem["err"], problem["field"]) == (
        *("a_code", "A sentence.", "a_field"),
    )
    assert ("Retry-After" in answer.headers) == (kind is errors.Unavailable)


@pytest.mark.parametrize("kind", errors.KINDS)
def test_kind_comes_back_as_itself_over_the_bus(kind: type[ServiceError]) -> None:
    back = deserialize(serialize(kind("a_code", "A sentence.", "a_field")))
    assert type(back) is kind
    assert (back.code, back.message, back.field) == ("a_code", "A sentence.", "a_field")
