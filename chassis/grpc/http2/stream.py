"""What is known of one stream, and of the windows of what arrives."""

from chassis.grpc.http2.wire import FIRST_WINDOW, Code, Http2Error


class Window:
    """How much the other end may send, given back when half of it is used."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used = 0

    def take(self, size: int) -> int:
        """Take bytes, which are read at once; return by how much to open the window again.

        Raise Http2Error for more than the window had.
        """
        self._used += size
        if self._used > FIRST_WINDOW:
            raise Http2Error("more was sent than may be", Code.FLOW_CONTROL_ERROR)
        if self._used <= FIRST_WINDOW // 2:
            return 0
        used, self._used = self._used, 0
        return used


class Stream:
    """A stream that is open on one side at least."""

    __slots__ = ("ended_here", "ended_there", "greeted", "incoming", "left", "window")

    def __init__(self, window: int) -> None:
        self.window = window  # what the other end takes
        self.incoming = Window()
        self.left: int | None = None  # of the body, where its length was told
        self.greeted = False  # the other end has sent its first headers
        self.ended_here = False
        self.ended_there = False

    def take(self, size: int, ended: bool) -> None:
        """Note a part of the body; raise Http2Error if it is not as long as was told."""
        if self.left is None:
            return
        self.left -= size
        if self.left < 0 or (ended and self.left):
            raise Http2Error("the body is not as long as was told")
