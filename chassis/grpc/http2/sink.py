"""Who is told what arrives."""

from chassis.grpc.http2.wire import RawHeaders


class Sink:
    """One end of a connection; nothing here may wait, and what is of no use is passed over."""

    def on_headers(self, stream_id: int, headers: RawHeaders) -> None:
        """A stream's headers, or its trailers, have arrived."""

    def on_data(self, stream_id: int, data: bytes) -> None:
        """A part of a stream's body has arrived."""

    def on_end(self, stream_id: int) -> None:
        """The other end has said all on a stream."""

    def on_reset(self, stream_id: int, code: int) -> None:
        """The other end has given up a stream."""

    def on_window(self) -> None:
        """The other end takes more than before."""

    def on_settings(self) -> None:
        """The other end has announced its settings."""

    def on_pong(self) -> None:
        """The other end has answered our PING."""

    def on_goaway(self, last_stream_id: int) -> None:
        """The other end takes no stream beyond this one."""
