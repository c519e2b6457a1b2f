"""Services for the tests of the bus: stock nameko, nothing of ours imported."""

import os

import eventlet
from nameko.events import BROADCAST, SINGLETON, EventDispatcher, event_handler
from nameko.rpc import ClusterRpc, ServiceRpc, rpc

heard: list[list[object]] = []
calls: list[object] = []


class Echo:
    """Answers, in time or not."""

    name = "echo"

    @rpc
    def echo(self, value):
        return value

    @rpc
    def who(self):
        return os.getpid()

    @rpc
    def slow(self, seconds, tag=None):
        calls.append(tag)
        eventlet.sleep(seconds)
        return tag

    @rpc
    def called(self):
        return calls

    @rpc
    def crash(self):
        raise ValueError("a secret")


class Front:
    """Calls Echo and dispatches events."""

    name = "front"

    peer = ServiceRpc("echo")
    cluster = ClusterRpc()
    dispatch = EventDispatcher()

    @rpc
    def relay(self, value):
        return self.peer.echo(value)

    @rpc
    def relay_to(self, service, value):
        return self.cluster[service].echo(value)

    @rpc
    def relay_slow(self, seconds, tag):
        return self.peer.slow(seconds, tag)

    @rpc
    def announce(self, event_type, data):
        self.dispatch(event_type, data)


class Listener:
    """Hears Front's events, once for each kind of handler."""

    name = "listener"

    @event_handler("front", "told")
    def on_pool(self, data):
        heard.append(["pool", data])

    @event_handler("front", "told", handler_type=SINGLETON)
    def on_singleton(self, data):
        heard.append(["singleton", data])

    @event_handler("front", "told", handler_type=BROADCAST, reliable_delivery=False)
    def on_broadcast(self, data):
        heard.append(["broadcast", data])

    @rpc
    def ping(self):
        return os.getpid()


class Tally:
    """Says what this process's Listener heard; one name for each process."""

    name = os.environ.get("TALLY_NAME", "tally")

    @rpc
    def heard(self):
        return heard
