"""Events out of the streams: CloudEvents 1.0 in JSON over NATS JetStream.

``nats_handler`` and ``nats_batch_handler`` are the entrypoints. A stream's events are handled in
order and by one replica at a time: the consumer lets only one message be unacknowledged, so the
others stand by, and one of them goes on when the first is killed, as soon as its message is given
again.

Who holds that one message may read on in the stream and handle what follows with it, as one batch.
Then the consumer goes on after the batch; where it cannot be told to, its messages are still
delivered, each after the one before, and acknowledged at sight.
"""

from chassis.events.batch import Received
from chassis.events.cloudevents import Event
from chassis.events.entrypoint import NatsHandler, nats_batch_handler, nats_handler

__all__ = ["Event", "NatsHandler", "Received", "nats_batch_handler", "nats_handler"]
