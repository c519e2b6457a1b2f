"""The front page."""

from importlib import metadata

from werkzeug.wrappers import Response

from gateway import answers, pages, parameters
from gateway.api import Body, Call, route
from gateway.sign_in import flow

VERSION = metadata.version("delinkcious")


class Home:
    """Say what this is."""

    public_url: str
    development: bool
    sign_in: flow.SignIn

    @route(
        *("GET", "/"),
        scope=None,
        answers=(
            Body("What this is.", media=("application/json", "text/html"), schema=answers.Home),
        ),
    )
    def home(self, call: Call[parameters.Nothing]) -> Response | answers.Home:
        """Say what this is and where to sign in: a page for a browser, JSON for a program."""
        if pages.wanted(call.request):
            return pages.home(self.public_url, self.sign_in.labels(), development=self.development)
        return answers.home(self.public_url, VERSION)
