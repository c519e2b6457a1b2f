"""The published contract of the news: what is there keeps its name, number and type."""

import pytest
from google.protobuf.descriptor import FieldDescriptor

from protos import news_pb2

FILE = news_pb2.DESCRIPTOR
TYPES = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
}

# Only additions: never change or remove a line.
FIELDS = {
    ("GetNewsRequest", "username"): (1, "string", False),
    ("GetNewsRequest", "startToken"): (2, "string", False),
    ("GetNewsRequest", "pageSize"): (3, "int32", False),
    ("GetNewsRequest", "order"): (4, "enum", False),
    ("Event", "eventType"): (1, "enum", False),
    ("Event", "username"): (2, "string", False),
    ("Event", "url"): (3, "string", False),
    ("Event", "timestamp"): (4, "message", False),
    ("Event", "title"): (5, "string", False),
    ("GetNewsResponse", "events"): (1, "message", True),
    ("GetNewsResponse", "nextToken"): (2, "string", False),
    ("GetNewsResponse", "err"): (3, "string", False),
}
FIELD_TYPES = {
    ("GetNewsRequest", "order"): "pb.Order",
    ("Event", "eventType"): "pb.EventType",
    ("Event", "timestamp"): "google.protobuf.Timestamp",
    ("GetNewsResponse", "events"): "pb.Event",
}
VALUES = {
    "EventType": {"LINK_ADDED": 0, "LINK_UPDATED": 1, "LINK_DELETED": 2},
    "Order": {"OLDEST": 0, "NEWEST": 1},
}


@pytest.mark.parametrize(("message", "name"), FIELDS)
def test_field_keeps_its_number_and_type(message: str, name: str) -> None:
    found = FILE.message_types_by_name[message].fields_by_name[name]
    assert (found.number, TYPES[found.type], found.is_repeated) == FIELDS[message, name]
    kind = found.message_type or found.enum_type
    assert (kind.full_name if kind else None) == FIELD_TYPES.get((message, name))


def test_every_field_is_written_down_here() -> None:
    found = {
        (message.name, field.name)
        for message in FILE.message_types_by_name.values()
        for field in message.fields
    }
    assert found == set(FIELDS)


@pytest.mark.parametrize("name", VALUES)
def test_enum_keeps_its_numbers(name: str) -> None:
    found = {value.name: value.number for value in FILE.enum_types_by_name[name].values}
    assert found.items() >= VALUES[name].items()


def test_service_keeps_its_method() -> None:
    assert FILE.package == "pb"
    method = FILE.services_by_name["News"].methods_by_name["GetNews"]
    assert method.full_name == "pb.News.GetNews"
    assert (method.input_type.name, method.output_type.name) == (
        *("GetNewsRequest", "GetNewsResponse"),
    )
    assert not method.client_streaming
    assert not method.server_streaming
