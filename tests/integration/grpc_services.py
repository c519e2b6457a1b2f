"""Services for the tests of gRPC: one that answers, and one that asks it."""

import os
import time
from pathlib import Path

import eventlet
from nameko.extensions import DependencyProvider
from nameko.web.handlers import http

from chassis import errors, grpc
from protos.news_pb2 import GetNewsRequest, GetNewsResponse
from protos.news_pb2_grpc import NewsStub

KINDS = {kind.__name__: kind for kind in errors.KINDS}


class Neighbour(DependencyProvider):
    """Away while the file that the environment names is there."""

    def check(self) -> None:
        if Path(os.environ["NEIGHBOUR_AWAY"]).exists():
            raise ConnectionError


class Answering:
    """GetNews does what ``username`` says; ``startToken`` is its argument."""

    name = "answering"
    neighbour = Neighbour()
    begun: list[str] = []

    @grpc.implementing(NewsStub)
    def GetNews(self, request: GetNewsRequest, context: grpc.Context) -> GetNewsResponse:
        do = getattr(self, f"do_{request.username}")
        return do(request.startToken, context)

    def do_echo(self, text: str, context: grpc.Context) -> GetNewsResponse:
        return GetNewsResponse(nextToken=text)

    def do_sleep(self, seconds: str, context: grpc.Context) -> GetNewsResponse:
        self.begun.append(seconds)
        eventlet.sleep(float(seconds))
        return GetNewsResponse(nextToken=seconds)

    def do_count(self, text: str, context: grpc.Context) -> GetNewsResponse:
        return GetNewsResponse(nextToken=str(len(self.begun)))

    def do_big(self, size: str, context: grpc.Context) -> GetNewsResponse:
        return GetNewsResponse(nextToken="x" * int(size))

    def do_raise(self, kind: str, context: grpc.Context) -> GetNewsResponse:
        raise KINDS[kind]("the_code", "A sentence — with ünicode\n% and more.", "field")

    def do_crash(self, text: str, context: grpc.Context) -> GetNewsResponse:
        raise ValueError("postgresql://secret")

    def do_nothing(self, text: str, context: grpc.Context) -> None:
        return None

    def do_bad_metadata(self, text: str, context: grpc.Context) -> GetNewsResponse:
        context.set_trailing_metadata([("number", 1)])
        return GetNewsResponse()

    def do_metadata(self, name: str, context: grpc.Context) -> GetNewsResponse:
        context.set_trailing_metadata([("seen", "yes")])
        return GetNewsResponse(nextToken=str(dict(context.invocation_metadata()).get(name)))


class Asking:
    """Asks over HTTP what the test wants to know, so that it is no gRPC that is tested with."""

    name = "asking"
    news = grpc.GrpcClient(NewsStub, target_key="NEWS_GRPC_TARGET", target="news_svc")

    @http("GET", "/<username>/<token>")
    def ask(self, request: object, username: str, token: str) -> tuple[int, str]:
        began = time.monotonic()
        try:
            answer = self.news.GetNews(GetNewsRequest(username=username, startToken=token))
        except errors.ServiceError as error:
            kind = type(error).__name__
            took = time.monotonic() - began
            return 500, f"{kind} {error.code} {error.field} {took:.3f} {error.message}"
        return 200, str(answer.nextToken)
