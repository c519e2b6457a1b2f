"""Gateway: the only public door. HTTP in, RPC and gRPC out."""

from chassis import config, health
from gateway import addresses, clients
from gateway.routes import description, home, links, news, people, sign_in
from gateway.sign_in import configured, development_server, flow


class GatewayService(
    links.Links,
    people.People,
    news.News,
    sign_in.SignIn,
    home.Home,
    description.Description,
    health.Health,
):
    """Let people in, and pass on what they ask to the service that owns it."""

    name = "gateway"

    public_url: str = config.Setting(addresses.web_address, "PUBLIC_URL")
    development: bool = development_server.DevelopmentIdentityProvider()
    sign_in: flow.SignIn = configured.OAuth()
    users = clients.UserRpc("user_svc", probe="get_user")
    links = clients.ServiceRpc("link_svc", probe="get_links")
    social_graph = clients.ServiceRpc("social_graph_svc", probe="get_following")
    news: clients.News = clients.NewsClient()
