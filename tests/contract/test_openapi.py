"""/openapi.json is complete and true: every route, and what each takes and answers."""

import inspect
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from chassis import status
from gateway import api, openapi
from gateway.service import GatewayService

PUBLIC = "https://example.org"
DOCUMENT = openapi.document(PUBLIC, api.routes(GatewayService))
OPERATIONS = {
    operation["operationId"]: (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
each_operation = pytest.mark.parametrize("name", sorted(OPERATIONS))


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    registry = Registry().with_resource(PUBLIC, DRAFT202012.create_resource(DOCUMENT))
    there = json.loads(json.dumps(schema).replace('"#/', f'"{PUBLIC}#/'))
    return Draft202012Validator(there, registry=registry)


def test_document_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(DOCUMENT))).validate()


def test_every_route_is_in_the_document_and_no_other() -> None:
    routes = {
        (entrypoint.url.replace("<", "{").replace(">", "}"), method.lower())
        for _, handler in inspect.getmembers(GatewayService)
        for entrypoint in getattr(handler, ENTRYPOINT_EXTENSIONS_ATTR, ())
        for method in entrypoint.method.split(",")
    }
    aliases = {(path, method) for path, method in routes if path.startswith(f"{api.ALIAS}/")}
    assert aliases == {
        (path.replace(api.PREFIX, api.ALIAS), method)
        for path, method in routes
        if path.startswith(f"{api.PREFIX}/")
    }
    health = {("/health/live", "get"), ("/health/ready", "get")}
    described = {(path, method) for path, method, _ in OPERATIONS.values()}
    assert described == (routes - aliases) | health


@each_operation
def test_examples_are_of_their_schemas(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            if "example" in content:
                validator(content["schema"]).validate(content["example"])


@each_operation
def test_parameters_are_described(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for parameter, schema in content["schema"].get("properties", {}).items():
            assert schema["description"], parameter


@each_operation
def test_routes_for_those_who_are_signed_in_say_so(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    assert bool(operation["security"]) == ("401" in operation["responses"])


def test_every_kind_of_error_has_words() -> None:
    for http_status in status.HTTP_STATUS.values():
        assert http_status in openapi._WORDS
