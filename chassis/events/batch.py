"""Batches of events: what follows a message is handled with it, again and again, or given up."""

import logging
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import NamedTuple

import eventlet

from chassis.errors import InvalidInput, Unavailable
from chassis.events import letters
from chassis.events.caution import Caution
from chassis.events.cloudevents import Event
from chassis.events.consumption import Consumption
from chassis.events.memory import Memory
from chassis.nats import Message
from chassis.streams import deliveries, reads

log = logging.getLogger(__name__)

_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_MAX_TRIES = 5  # of an event that fails for a reason of its own
_MAX_DELIVERIES = 20  # of an event that takes its handler's process down
_READ_SECONDS = 1.0
_SKIPPED = 5  # from so many on, to let the consumer skip them costs less than to acknowledge each
# While many come, those of so short a time go together; after a rest nothing waits.
_PACE_SECONDS = 0.025


class Received(NamedTuple):
    """An event, and its sequence in the stream."""

    event: Event
    sequence: int


Batch = Sequence[Received]
# Handle a batch; return what went wrong.
Work = Callable[[Batch], Exception | None]
# Let the consumer go on after a sequence; see deliveries.Pull.skip.
Skip = Callable[[int], bool]


class Batches:
    """Messages of one durable consumer, handled by ``work``, ``most`` events at a time."""

    def __init__(self, consumption: Consumption, work: Work, most: int) -> None:
        self.stopping = False  # then what fails is given back
        self._consumption = consumption
        self._work = work
        self._caution = Caution(most)
        self._memory = Memory()
        self._began = 0.0  # when the last batch did

    def give_back(self, sequence: int) -> None:
        """Have a message, for whose acknowledgement NATS waits, given out again at once.

        It does nothing but for what we have handled: of which NATS, which has died, does not know.
        """
        if reply := self._memory.reply(sequence):
            deliveries.say(reply, b"-NAK")

    def take(self, message: Message, skip: Skip) -> None:
        """Handle a message and what follows it, and say what became of it."""
        place = deliveries.place(message)
        try:
            first = Received(Event.decode(message.data), place.sequence)
        except InvalidInput as error:
            self._bury(message, error)
            return
        if self._memory.has(place.sequence, first.event.id):
            self._acknowledge(message, place.sequence)
            return
        if place.deliveries > _MAX_DELIVERIES:
            self._bury(message, RuntimeError("its handler does not survive it"))
            return
        if place.deliveries > 1:  # perhaps one of those that were handled with it was fatal
            self._caution.redelivered(place)
        self._until_done(message, [first, *self._following(place)], skip)

    def _following(self, place: deliveries.Place) -> list[Received]:
        """Read on in the stream, up to what cannot be read."""
        most = self._caution.most(place.sequence) - 1
        if not self._pause(most):
            most = min(most, place.waiting)
        if most < 1:
            return []
        found: list[Received] = []
        try:
            for one in reads.after(self._consumption.stream, place.sequence, most, _READ_SECONDS):
                found.append(Received(Event.decode(one.body), one.sequence))
        except (Unavailable, InvalidInput) as error:
            log.debug("a batch ends early: %s", error)
        return found

    def _pause(self, most: int) -> bool:
        """Wait a little where events come one after the other, so that some go together.

        Return whether there may be more now than when the message was given out.
        """
        rest = self._began + _PACE_SECONDS - monotonic()
        paused = most > 0 and rest > 0
        if paused:
            eventlet.sleep(rest)
        self._began = monotonic()
        return paused

    def _until_done(self, message: Message, batch: list[Received], skip: Skip) -> None:
        tries = failures = 0
        while True:
            error = self._try(batch)
            if error is None:
                self._done(message, batch, skip)
                return
            if self.stopping:
                deliveries.acknowledge(message, b"-NAK")
                return
            if len(batch) > 1 and not isinstance(error, Unavailable):  # whose fault is it?
                self._caution.alone(batch[-1].sequence)
                batch = batch[:1]
                continue
            failures += not isinstance(error, Unavailable)
            if isinstance(error, InvalidInput) or failures >= _MAX_TRIES:
                self._bury(message, error)
                return
            self._consumption.failed()
            eventlet.sleep(_BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)])
            tries += 1

    def _try(self, batch: Batch) -> Exception | None:
        began = perf_counter()
        error = self._work(batch)
        self._consumption.tried(perf_counter() - began)
        return error

    def _done(self, message: Message, batch: Batch, skip: Skip) -> None:
        self._consumption.handled([one.event for one in batch])
        for event, sequence in batch:
            self._memory.note(sequence, event.id)
        first, last = batch[0].sequence, batch[-1].sequence
        # Where sequences are missing, something may be that we have not read.
        if len(batch) >= _SKIPPED and last - first == len(batch) - 1 and skip(last):
            self._memory.acknowledged(first, message.reply)
        else:
            self._acknowledge(message, first)

    def _acknowledge(self, message: Message, sequence: int) -> None:
        self._memory.acknowledged(sequence, message.reply)
        deliveries.acknowledge(message, b"+ACK")

    def _bury(self, message: Message, error: Exception) -> None:
        """Move the message to the dead letters; wait until they have it."""
        letter = self._letter(message, error)
        log.error("event %d of %s is a dead letter: %s", letter.sequence, letter.stream, error)
        while not self.stopping:
            try:
                letter.bury()
            except Unavailable:
                eventlet.sleep(_BACKOFF_SECONDS[-1])
                continue
            self._consumption.buried()
            deliveries.acknowledge(message, b"+TERM")
            return
        deliveries.acknowledge(message, b"-NAK")

    def _letter(self, message: Message, error: Exception) -> letters.DeadLetter:
        return letters.DeadLetter(
            self._consumption.service,
            self._consumption.stream,
            self._consumption.durable,
            deliveries.place(message).sequence,
            letters.reason(error),
            message.data,
        )
