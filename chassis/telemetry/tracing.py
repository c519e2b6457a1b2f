"""Spans of workers and of the calls that they make, where OTLP_ENDPOINT says who collects them.

A span has a name, a duration and an outcome; no argument, text of an error or address gets into
it. Where nobody collects, nothing of OpenTelemetry is even imported.
"""

from contextvars import ContextVar
from typing import Literal, Protocol

from nameko.exceptions import ConfigurationError

from chassis import config

TRACEPARENT = "traceparent"  # in context data, and there as W3C Trace Context writes it

Kind = Literal["server", "client", "consumer"]


class Span(Protocol):
    """Something that takes time."""

    traceparent: str

    def end(self, outcome: str) -> None:
        """Say what came of it."""


class Tracer(Protocol):
    """Who makes the spans of one service."""

    def begin(self, name: str, kind: Kind, parent: str, request_id: str) -> Span:
        """Begin a span, within the one whose ``traceparent`` is given."""

    def stop(self) -> None:
        """Send what is left, for a moment."""


class Untraced:
    """Tracer and span where nobody collects."""

    traceparent = ""

    def begin(self, name: str, kind: Kind, parent: str, request_id: str) -> Span:
        """Begin nothing."""
        return self

    def end(self, outcome: str) -> None:
        """End nothing."""

    def stop(self) -> None:
        """Stop nothing."""


_NOBODY = Untraced()
_tracers: dict[str, Tracer] = {}
_parent: ContextVar[str] = ContextVar("parent", default="")


def tracer(service: str) -> Tracer:
    """Return who makes the spans of this service; raise ConfigurationError."""
    if config.optional("OTLP_ENDPOINT") is None:
        return _NOBODY
    if service not in _tracers:
        endpoint = config.servers("OTLP_ENDPOINT", "http", "https")
        try:
            from chassis.telemetry.otlp import OtlpTracer
        except ImportError as error:
            raise ConfigurationError(f"OTLP_ENDPOINT needs delinkcious[tracing]: {error}") from None
        _tracers[service] = OtlpTracer(service, endpoint)
    return _tracers[service]


def enter(span: Span) -> None:
    """Make what this green thread begins from now on a part of this span."""
    _parent.set(span.traceparent)


def parent() -> str:
    """Return the span that this green thread works in, as a ``traceparent``."""
    return _parent.get()
