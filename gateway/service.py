"""Gateway: the only public door. HTTP in, RPC and gRPC out."""

import json
from collections.abc import Callable
from importlib import metadata
from typing import Any

from werkzeug.wrappers import Response

from chassis import config, health, http
from gateway import addresses, auth, clients, devidp_server, oauth, pages, schemas

Handler = Callable[..., Any]

VERSION = metadata.version("delinkcious")


def api(method: str, path: str) -> Callable[[Handler], Handler]:
    """Declare a route of the API at once under /v1.0 and its alias /v1."""

    def declare(handler: Handler) -> Handler:
        return http.http(method, f"/v1.0/{path}")(http.http(method, f"/v1/{path}")(handler))

    return declare


class GatewayService(health.Health):
    """Let people in, and pass on what they ask to the service that owns it."""

    name = "gateway"

    public_url: str = config.Setting(addresses.web_address, "PUBLIC_URL")
    development: bool = devidp_server.DevelopmentIdentityProvider()
    sign_in: oauth.SignIn = oauth.OAuth()
    users = clients.UserRpc("user_svc", probe="get_user")
    links = clients.ServiceRpc("link_svc", probe="get_links")
    social_graph = clients.ServiceRpc("social_graph_svc", probe="get_following")
    news: clients.News = clients.NewsClient()

    @http.http("GET", "/")
    def home(self, request: http.Request) -> Response | dict[str, Any]:
        """Say what this is and where to sign in."""
        if pages.wanted(request):
            return pages.home(self.public_url, development=self.development)
        return schemas.home(self.public_url, VERSION)

    @http.http("GET", "/login")
    @pages.explained
    def login(self, request: http.Request) -> Response:
        """Send the caller to the identity provider."""
        return self.sign_in.depart(request)

    @http.http("GET", "/login/authorized", timeout_key="SIGN_IN_TIMEOUT_SECONDS")
    @pages.explained
    def login_authorized(self, request: http.Request) -> Response:
        """Give a token to whom the identity provider sends back."""
        arrival = self.sign_in.arrive(request)
        signed_in = schemas.signed_in(arrival.profile, self.users.sign_in(arrival.identity))
        if pages.wanted(request):
            page = pages.signed_in(self.public_url, signed_in, arrival.next)
            return self.sign_in.forget(page)
        body = json.dumps(signed_in) + "\n"
        return self.sign_in.forget(Response(body, mimetype="application/json"))

    @http.http("GET,POST", "/logout")
    def logout(self, request: http.Request) -> Response:
        """Make the caller's token good for nothing."""
        auth.caller(request, self.users)
        self.users.revoke_token(auth.token(request))
        return Response("OK", mimetype="text/plain")

    @api("GET", "links")
    def get_links(self, request: http.Request) -> schemas.Body:
        """List the caller's links, filtered."""
        username = auth.caller(request, self.users)
        query = schemas.link_query(http.params(request, schemas.LISTS))
        return schemas.links(self.links.get_links(username, query))

    @api("POST", "links")
    def add_link(self, request: http.Request) -> schemas.Body:
        """Save a link."""
        username = auth.caller(request, self.users)
        self.links.add_link(username, schemas.new_link(http.params(request, schemas.LISTS)))
        return schemas.DONE

    @api("PUT", "links")
    def update_link(self, request: http.Request) -> schemas.Body:
        """Change a link."""
        username = auth.caller(request, self.users)
        changes = schemas.link_changes(http.params(request, schemas.LISTS))
        self.links.update_link(username, changes)
        return schemas.DONE

    @api("DELETE", "links")
    def delete_link(self, request: http.Request) -> schemas.Body:
        """Delete a link."""
        username = auth.caller(request, self.users)
        self.links.delete_link(username, schemas.text("url", http.params(request)))
        return schemas.DONE

    @api("GET", "followers")
    def get_followers(self, request: http.Request) -> schemas.Body:
        """List who follows the caller."""
        username = auth.caller(request, self.users)
        page = schemas.page(http.params(request))
        return schemas.names("followers", self.social_graph.get_followers(username, **page))

    @api("GET", "following")
    def get_following(self, request: http.Request) -> schemas.Body:
        """List whom the caller follows."""
        username = auth.caller(request, self.users)
        page = schemas.page(http.params(request))
        return schemas.names("following", self.social_graph.get_following(username, **page))

    @api("POST", "following")
    def follow(self, request: http.Request) -> schemas.Body:
        """Follow somebody, whose name may be written in any case."""
        username = auth.caller(request, self.users)
        followed = schemas.text("followed", http.params(request))
        self.social_graph.follow(username, clients.known_user(self.users, followed))
        return schemas.DONE

    @api("DELETE", "following")
    def unfollow(self, request: http.Request) -> schemas.Body:
        """Follow somebody no more."""
        username = auth.caller(request, self.users)
        followed = schemas.text("followed", http.params(request))
        self.social_graph.unfollow(username, clients.spelling(self.users, followed))
        return schemas.DONE

    @api("GET", "news")
    def get_news(self, request: http.Request) -> schemas.Body:
        """Tell what the people whom the caller follows did."""
        username = auth.caller(request, self.users)
        params = http.params(request)
        page, newest_first = schemas.page(params), schemas.newest_first(params)
        return schemas.news(self.news.get_news(username, **page, newest_first=newest_first))
