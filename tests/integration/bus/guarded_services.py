"""Services with the names of ours, for the tests of who may say what over NATS."""

from nameko.rpc import ClusterRpc, rpc

from chassis import health


class Users:
    """Knows secrets."""

    name = "user_svc"

    @rpc
    def verify_token(self, token):
        return {"username": token}


class Gateway:
    """May ask for them."""

    name = "gateway"
    cluster = ClusterRpc()


class News:
    """May not."""

    name = "news_svc"
    cluster = ClusterRpc()


class Graph:
    """Asks on behalf of nobody."""

    name = "social_graph_svc"

    @rpc
    def get_followers(self, username):
        return []


class Watched(health.Health):
    """Says over HTTP whether it is ready."""

    name = "user_svc"

    @rpc
    def verify_token(self, token):
        return {"username": token}
