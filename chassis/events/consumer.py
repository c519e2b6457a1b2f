"""A durable consumer's loop: it pulls messages until it is told to stop, whatever breaks."""

import logging
from collections.abc import Callable
from functools import partial

from eventlet import hubs
from eventlet.event import Event as Done

from chassis import backoff, nats, streams
from chassis.bell import Bell
from chassis.errors import Unavailable
from chassis.events.batch import Batches, Work
from chassis.events.consumption import Consumption
from chassis.nats import Message
from chassis.outage import Outage
from chassis.streams import deliveries

log = logging.getLogger(__name__)

_ACK_WAIT_SECONDS = 2.5
_IN_PROGRESS_SECONDS = 0.8
_RETRY_SECONDS = (0.25, 2.0)
_PATIENCE_TRIES = 3  # what a restart of NATS may cost


class Consumer:
    """Give the events of a stream to ``work``, and make what is missing for as long as we live."""

    def __init__(self, consumption: Consumption, work: Work, most: int) -> None:
        self.stream, self.durable = consumption.stream, consumption.durable
        self._batches = Batches(consumption, work, most)
        self._idle: Done | None = None
        self._pull: deliveries.Pull | None = None
        self._failures = 0
        self._back = Bell()  # rings when NATS is back
        self._trouble = Outage(f"the stream {self.stream}")

    def begin(self) -> Callable[[], None]:
        """Return what is to be run in a thread; from now on ``stop`` waits for its end."""
        idle = self._idle = Done()
        return partial(self._run, idle)

    def stop(self) -> None:
        """Finish what is in hand, and take nothing else."""
        self._batches.stopping = True
        if self._pull is not None:
            self._pull.wake()
        if self._idle is not None:
            self._idle.wait()

    def _run(self, idle: Done) -> None:
        nats.streams().watch(self._back.ring)
        try:
            while not self._batches.stopping:
                try:
                    self._consume()
                except (Unavailable, deliveries.PullEnded) as error:
                    self._rest(error)
        finally:
            nats.streams().unwatch(self._back.ring)
            idle.send(None)

    def _consume(self) -> None:
        """Handle messages until told to stop; raise Unavailable or PullEnded."""
        given = streams.ensure_consumer(self.stream, self.durable, _ACK_WAIT_SECONDS, timeout=2)
        self._failures = 0
        self._trouble.end()
        pull = self._pull = deliveries.Pull(self.stream, self.durable)
        self._batches.give_back(given)
        try:
            while not self._batches.stopping:
                message = pull.next()
                if message is not None:
                    self._take(message, pull)
        finally:
            self._pull = None
            pull.close()

    def _take(self, message: Message, pull: deliveries.Pull) -> None:
        """Handle a message, and say meanwhile that we live."""
        progress = _Progress(message)
        try:
            self._batches.take(message, pull.skip)
        finally:
            progress.end()

    def _rest(self, error: Exception) -> None:
        """Wait before the next try; complain where NATS is there, and yet there is no stream."""
        log.debug("consuming %s begins anew: %s", self.stream, error)
        self._failures += 1
        if self._failures > _PATIENCE_TRIES and nats.streams().connected:
            self._trouble.begin(str(error.__cause__ or error))
        self._back.wait(backoff.seconds(self._failures, *_RETRY_SECONDS))


class _Progress:
    """Says, now and then, that a message is worked on."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._begin()

    def _begin(self) -> None:
        hub = hubs.get_hub()
        self._timer = hub.schedule_call_global(_IN_PROGRESS_SECONDS, self._say)

    def _say(self) -> None:
        deliveries.acknowledge(self._message, b"+WPI")
        self._begin()

    def end(self) -> None:
        """Say nothing more."""
        self._timer.cancel()
