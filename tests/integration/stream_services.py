"""Consumers for the tests of the streams: they write down what they were given."""

import os
import pathlib
import signal

from chassis import events
from chassis.errors import InvalidInput, Unavailable


class Consumer:
    """Fails as the event tells it to."""

    name = "consumer"

    @events.nats_handler("test-events", durable="test")
    def on_event(self, event, sequence):
        handle(event, sequence)


class BatchConsumer:
    """The same, many at a time."""

    name = "batch_consumer"

    @events.nats_batch_handler("test-events", durable="test")
    def on_events(self, batch):
        with path(".batches").open("a") as file:
            file.write(f"{len(batch)}\n")
        for event, sequence in batch:
            handle(event, sequence)


def path(suffix=""):
    return pathlib.Path(os.environ["WRITE_TO"]).with_suffix(suffix)


def handle(event, sequence):
    if event.type == "poison":
        raise ValueError("cannot be handled")
    if event.type == "fatal":
        os.kill(os.getpid(), signal.SIGKILL)
    if event.type == "refused":
        raise InvalidInput("no_such_type", "Nobody knows this type.")
    if event.type == "later" and not path(".ready").exists():
        raise Unavailable("store_away", "The store is away.")
    with path().open("a") as file:
        file.write(f"{os.getpid()} {sequence} {event.subject} {event.data['n']}\n")
