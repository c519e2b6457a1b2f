"""HTTP/2 (RFC 9113), as much of it as gRPC needs, without sockets.

h2 (4.4) does all of it for everybody: objects for each frame, flag and event, tables for each step
of a stream. That was most of a call. Whatever another end does against the rules ends its
connection, also where the RFC would let it be about one stream.
"""

from chassis.grpc.http2.protocol import Protocol
from chassis.grpc.http2.sink import Sink
from chassis.grpc.http2.wire import (
    LARGEST,
    Code,
    Http2Error,
    RawHeaders,
    StreamGone,
    TooManyStreams,
)

__all__ = [
    "LARGEST",
    "Code",
    "Http2Error",
    "Protocol",
    "RawHeaders",
    "Sink",
    "StreamGone",
    "TooManyStreams",
]
