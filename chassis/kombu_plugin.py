"""Make ``nats://`` (and ``tls://``) a kombu transport wherever kombu is imported.

kombu (5.7) has entry points for serializers and none for transports, and ``nameko shell``
imports nothing of ours. So this module is loaded as a serializer, when kombu is first imported,
and adds a name to the table of transports. The transport itself is imported on first use. With
``chassis.config`` comes the look-up of what the configuration names without showing it.
"""

import json
from functools import partial

from kombu.transport import TRANSPORT_ALIASES

from chassis import config as _config  # noqa: F401

TRANSPORT_ALIASES["nats"] = TRANSPORT_ALIASES["tls"] = "chassis.bus:Transport"

# kombu registers what the entry point names: JSON that refuses NaN, which is not JSON.
SERIALIZER = (
    partial(json.dumps, allow_nan=False),
    json.loads,
    "application/x-strict-json",
    "utf-8",
)
