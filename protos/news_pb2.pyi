import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Order(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OLDEST: _ClassVar[Order]
    NEWEST: _ClassVar[Order]

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINK_ADDED: _ClassVar[EventType]
    LINK_UPDATED: _ClassVar[EventType]
    LINK_DELETED: _ClassVar[EventType]
OLDEST: Order
NEWEST: Order
LINK_ADDED: EventType
LINK_UPDATED: EventType
LINK_DELETED: EventType

class GetNewsRequest(_message.Message):
    __slots__ = ("username", "startToken", "pageSize", "order")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    STARTTOKEN_FIELD_NUMBER: _ClassVar[int]
    PAGESIZE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    username: str
    startToken: str
    pageSize: int
    order: Order
    def __init__(self, username: _Optional[str] = ..., startToken: _Optional[str] = ..., pageSize: _Optional[int] = ..., order: _Optional[_Union[Order, str]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("eventType", "username", "url", "timestamp", "title")
    EVENTTYPE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    eventType: EventType
    username: str
    url: str
    timestamp: _timestamp_pb2.Timestamp
    title: str
    def __init__(self, eventType: _Optional[_Union[EventType, str]] = ..., username: _Optional[str] = ..., url: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., title: _Optional[str] = ...) -> None: ...

class GetNewsResponse(_message.Message):
    __slots__ = ("events", "nextToken", "err")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXTTOKEN_FIELD_NUMBER: _ClassVar[int]
    ERR_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    nextToken: str
    err: str
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., nextToken: _Optional[str] = ..., err: _Optional[str] = ...) -> None: ...
