"""The kombu transport over NATS, on which nameko's RPC, events and shell ride.

``AMQP_URI: nats://…`` is all that a service needs. The mapping:

- an exchange and a routing key are a subject, ``<exchange>.<key>``;
- a queue is a queue group, subscribed to what the queue is bound to, so replicas share the work;
- core NATS, so a message is delivered at most once: a call is worth nothing to a caller who has
  left. Hence every request carries a deadline (the header ``nameko.deadline``, in Unix seconds,
  which nameko hands on as context data to the calls that the request makes in turn), the
  service's side drops what is too late, and the caller's side answers itself when no reply came:
  ``Unavailable`` at the deadline, ``UnknownService`` at once when NATS says that nobody listens.

Met with kombu 5.7 and nameko 3.0.0rc11: kombu's virtual transports leave ``content_type`` out of
``message.properties``, where nameko's Responder reads it, and drain by polling with a sleep of a
second. So this builds on the plain base classes instead.
"""

from chassis.bus.publisher import Publisher
from chassis.bus.queues import drain, waiting
from chassis.bus.replies import ReplyListener
from chassis.bus.requests import RpcConsumer
from chassis.bus.transport import Transport

__all__ = ["Publisher", "ReplyListener", "RpcConsumer", "Transport", "drain", "waiting"]
