"""Tests of the bus: what nameko does on any broker, and what NATS adds."""

SERVICES = "tests.integration.bus.services"
TIMEOUT = 1.0
