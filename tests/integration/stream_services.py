"""A consumer for the tests of the streams: it writes down what it was given."""

import os
import pathlib

from chassis import events
from chassis.errors import InvalidInput, Unavailable


class Consumer:
    """Fails as the event tells it to."""

    name = "consumer"

    @events.nats_handler("test-events", durable="test")
    def on_event(self, event, sequence):
        path = pathlib.Path(os.environ["WRITE_TO"])
        if event.type == "poison":
            raise ValueError("cannot be handled")
        if event.type == "refused":
            raise InvalidInput("no_such_type", "Nobody knows this type.")
        if event.type == "later" and not path.with_suffix(".ready").exists():
            raise Unavailable("store_away", "The store is away.")
        with path.open("a") as file:
            file.write(f"{os.getpid()} {sequence} {event.subject} {event.data['n']}\n")
