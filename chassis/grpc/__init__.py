"""gRPC between services: nameko-grpc's entrypoint and client on a connection that wakes on write.

    @grpc.implementing(NewsStub)                                  in the service
    def GetNews(self, request, context: grpc.Context): ...

    news = grpc.GrpcClient(NewsStub, target_key="NEWS_GRPC_TARGET", target="news_svc")
                                                                  in its caller

A call is unary: one message there, one back. ``grpc.health.v1.Health`` is served beside it.
"""

from chassis.grpc.call import Context
from chassis.grpc.client import GrpcClient
from chassis.grpc.entrypoint import Grpc

implementing = Grpc.implementing

__all__ = ["Context", "Grpc", "GrpcClient", "implementing"]
