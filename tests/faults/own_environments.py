"""``make run`` where a service may have an environment of its own: proxies, or a user of NATS.

The runner gives all services one environment; ENVIRONMENTS says, in JSON, what differs for each.
Nor does this one give up a part that is killed again and again, as a kubelet does not.
"""

import json
import os
from collections.abc import Callable
from unittest.mock import patch

from embedded import unit
from embedded.child import Child
from embedded.settings import Settings
from embedded.system import System
from tests.processes import ROOT

ENVIRONMENTS = "SERVICE_ENVIRONMENTS"


class OwnEnvironments(System):
    """Start each service with its own environment."""

    def _service_starter(self, name: str) -> Callable[[], Child]:
        start = super()._service_starter(name)
        own = json.loads(os.environ.get(ENVIRONMENTS, "{}")).get(name, {})

        def start_as_told() -> Child:
            with patch.dict(os.environ, own):
                return start()

        return start_as_told


if __name__ == "__main__":
    unit.QUICK_SECONDS = 0.0  # however soon it dies, it is started again after the first pause
    OwnEnvironments(Settings(ROOT)).run()
