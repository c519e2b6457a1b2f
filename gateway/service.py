"""Gateway: the only public door. HTTP in, RPC and gRPC out."""

from functools import partial

from chassis import config, health
from gateway import addresses, clients, door, exporting
from gateway.routes import (
    account,
    blocks,
    description,
    exports,
    home,
    imports,
    links,
    news,
    people,
    profiles,
    sign_in,
)
from gateway.sign_in import configured, development_server, flow
from gateway.sizes import ConfiguredSizes, Sizes

_off_or_on = partial(config.boolean, default=False)


class GatewayService(
    links.Links,
    imports.Imports,
    exports.Exports,
    people.People,
    blocks.Blocks,
    profiles.Profiles,
    news.News,
    account.Account,
    sign_in.SignIn,
    home.Home,
    description.Description,
    health.Health,
):
    """Let people in, and pass on what they ask to the service that owns it."""

    name = "gateway"

    anonymous_readers: bool = config.Setting(_off_or_on, "ANONYMOUS_READERS")
    sizes: Sizes = ConfiguredSizes()
    door = door.Door()
    public_url: str = config.Setting(addresses.web_address, "PUBLIC_URL")
    development: bool = development_server.DevelopmentIdentityProvider()
    sign_in: flow.SignIn = configured.OAuth()
    users = clients.UserRpc("user_svc", probe="get_user")
    export_places: exporting.Places = exporting.ExportPlaces()
    links = clients.ServiceRpc("link_svc", probe="get_links")
    social_graph = clients.ServiceRpc("social_graph_svc", probe="get_following")
    news: clients.News = clients.NewsClient()
