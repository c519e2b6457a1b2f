"""Services with the names of ours, and so with what our NATS users may do."""

import json
import os
import pathlib
import time

from nameko.rpc import ServiceRpc, rpc
from nameko.web.handlers import http

from chassis import events


class Users:
    """Is asked."""

    name = "user_svc"

    @rpc
    def verify_token(self, token):
        return {"username": token}


class Gateway:
    """Asks, and tells over HTTP what came of it."""

    name = "gateway"
    users = ServiceRpc("user_svc")

    @http("GET", "/<token>")
    def verify(self, request, token):
        began = time.monotonic()
        try:
            outcome = self.users.verify_token(token)["username"]
        except Exception as error:
            outcome = type(error).__name__
        return json.dumps([outcome, time.monotonic() - began])


class News:
    """Writes down which events it was given."""

    name = "news_svc"

    @events.nats_handler("link-events", durable="news")
    def on_event(self, event, sequence):
        with pathlib.Path(os.environ["WRITE_TO"]).open("a") as file:
            file.write(f"{event.subject} {sequence} {event.data['n']}\n")
