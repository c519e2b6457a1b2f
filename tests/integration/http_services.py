"""A service for the tests of HTTP entrypoints."""

import contextlib

import eventlet
from nameko.extensions import DependencyProvider
from werkzeug.wrappers import Response

from chassis import errors, health, http


class Context(DependencyProvider):
    """What travels with every call of a worker."""

    def get_dependency(self, worker_ctx):
        return worker_ctx.data


def _pieces(number):
    for each in range(number):
        if each == 3:
            raise ValueError("there is no fourth piece")
        yield f"piece {each};"


streams = 0  # that are under way


def _stream(number, seconds):
    global streams
    streams += 1
    try:
        for _ in range(number):
            yield b"x" * 65536
            eventlet.sleep(seconds)
    finally:
        streams -= 1


class ToyService(health.Health):
    """Answers, refuses, crashes, sleeps."""

    name = "toy"

    context = Context()

    @http.http("GET", "/context")
    def get_context(self, request):
        return self.context

    @http.http("GET,POST,PUT,DELETE", "/echo")
    def echo(self, request):
        return http.params(request, lists=("tag",))

    @http.http("GET", "/hello/<name>")
    def hello(self, request, name):
        return {"hello": name, "id": request.request_id}

    @http.http("POST", "/made")
    def made(self, request):
        return 201, {"made": True}

    @http.http("GET", "/page")
    def page(self, request):
        return Response("<p>", content_type="text/html", headers={"Cache-Control": "public"})

    @http.http("GET", "/pieces/<int:number>")
    def pieces(self, request, number):
        """Answer in so many pieces, and break after three."""
        return Response(_pieces(number), content_type="text/plain")

    @http.http("GET", "/stream/<int:number>/<float:seconds>")
    def stream(self, request, number, seconds):
        """Answer in so many pieces, which take so long to make."""
        return http.streamed(_stream(number, seconds), content_type="text/plain")

    @http.http("GET", "/streams")
    def streams(self, request):
        return {"streams": streams}

    @http.http("GET", "/odd")
    def odd(self, request):
        return Response("", headers={"X-Odd": "\N{SNOWMAN}"})

    @http.http("GET", "/big/<int:size>")
    def big(self, request, size):
        return {"text": "x" * size}

    @http.http("GET", "/kind/<name>")
    def kind(self, request, name):
        raise getattr(errors, name)("some_code", "A sentence.", "url")

    @http.http("GET", "/crash")
    def crash(self, request):
        raise ValueError("postgresql://user:hunter2@host/db")

    @http.http("GET", "/nothing")
    def nothing(self, request):
        return None

    @http.http("GET", "/killed")
    def killed(self, request):
        eventlet.getcurrent().throw(eventlet.greenlet.GreenletExit)

    @http.http("GET", "/timeout")
    def timeout(self, request):
        raise eventlet.Timeout

    @http.http("GET", "/sleep/<float:seconds>")
    def sleep(self, request, seconds):
        eventlet.sleep(seconds)
        return {"slept": seconds}

    @http.http("POST", "/upload", body_key="MAX_UPLOAD_BYTES")
    def upload(self, request):
        return {"size": len(request.get_data())}

    @http.http("GET", "/hang")
    def hang(self, request):
        """Go on for ever, whatever deadline passes."""
        while True:
            with contextlib.suppress(Exception, eventlet.Timeout):
                eventlet.sleep(60)
