"""Spans by OpenTelemetry, sent over OTLP/HTTP by a green thread of their own.

opentelemetry-instrumentation-nameko does not fit: see docs/adr/0019.
"""

import eventlet
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.telemetry.tracing import TRACEPARENT, Kind

EXPORT_SECONDS = 2
STOP_SECONDS = 1.0
DELAY_MILLISECONDS = 1000

_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "consumer": SpanKind.CONSUMER}
_WIRE = TraceContextTextMapPropagator()


class OtlpSpan:
    """A span that is sent when it ends."""

    def __init__(self, span: OtelSpan) -> None:
        carrier: dict[str, str] = {}
        _WIRE.inject(carrier, context=set_span_in_context(span))
        self.traceparent = carrier[TRACEPARENT]
        self._span = span

    def end(self, outcome: str) -> None:
        """Say what came of it, in a word: an error's text may quote what nobody else may read."""
        self._span.set_attribute("outcome", outcome)
        self._span.set_status(Status(StatusCode.OK if outcome == "ok" else StatusCode.ERROR))
        self._span.end()


class OtlpTracer:
    """Collect spans, and send them to the collector while it is there; nobody waits for it."""

    def __init__(self, service: str, endpoint: str) -> None:
        url = f"{endpoint.rstrip('/')}/v1/traces"
        exporter = OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=DELAY_MILLISECONDS)
        )
        self._tracer = self._provider.get_tracer("chassis")

    def begin(self, name: str, kind: Kind, parent: str, request_id: str) -> OtlpSpan:
        """Begin a span."""
        within = _WIRE.extract({TRACEPARENT: parent} if parent else {})
        attributes = {"request_id": request_id}
        return OtlpSpan(self._tracer.start_span(name, within, _KINDS[kind], attributes))

    def stop(self) -> None:
        """Send what is left, for a moment."""
        with eventlet.Timeout(STOP_SECONDS, False):
            self._provider.shutdown()
