"""A plain grpcio client, a program of its own: ``news_client.py TARGET USERNAME [START_TOKEN]``.

Print the answer, and what the standard health service says, as one JSON object. grpcio must not
share a process with eventlet.
"""

import json
import sys

import grpc
from google.protobuf.json_format import MessageToDict

from protos.news_pb2 import GetNewsRequest
from protos.news_pb2_grpc import NewsStub

SECONDS = 5


def main(target: str, username: str, start_token: str = "") -> None:
    request = GetNewsRequest(username=username, startToken=start_token, pageSize=100)
    with grpc.insecure_channel(target) as channel:
        answer, call = NewsStub(channel).GetNews.with_call(request, timeout=SECONDS)
        # An empty HealthCheckRequest asks for the whole server; 0801 says SERVING.
        health = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=SECONDS)
    news = MessageToDict(answer, always_print_fields_with_no_presence=True)
    print(json.dumps({"news": news, "status": call.code().name, "health": health.hex()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
