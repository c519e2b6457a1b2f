"""The few HTML pages that a person with a browser sees: escaped, with nothing from outside."""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, wraps
from importlib import metadata
from pathlib import Path
from typing import Any

from markupsafe import Markup
from werkzeug.wrappers import Request, Response

from chassis import errors, status
from chassis.http import problems

TEMPLATES = Path(__file__).parent / "templates"
ACCOUNT = "You sign in with an account that you have."
DEVELOPMENT = (
    "No identity provider is configured: you sign in at a development page on this machine, "
    "where you type any name."
)

Handler = Callable[..., Any]


def wanted(request: Request) -> bool:
    """Say whether the caller is a browser: one that names HTML, not one that takes anything."""
    return any(kind == "text/html" and q > 0 for kind, q in request.accept_mimetypes)


def explained(handler: Handler) -> Handler:
    """Let a browser read on a page why a method of the gateway refuses; others get a document."""

    @wraps(handler)
    def answer(service: Any, call: Any, *args: Any) -> Any:
        try:
            return handler(service, call, *args)
        except errors.ServiceError as error:
            if wanted(call.request):
                return problem(service.public_url, error)
            return problems.of_exception(error)

    return answer


def home(public_url: str, providers: dict[str, str], *, development: bool) -> Response:
    """Say what this is and where to sign in; ``providers`` are those with whom, by their keys."""
    button = Markup('<a class="button" href="{}">Sign in with {}</a>')
    buttons = Markup("\n").join(
        button.format(f"{public_url}/login?provider={key}", label)
        for key, label in providers.items()
    )
    return page(
        "Delinkcious",
        fill(
            "home.html",
            api=f"{public_url}/v1.0",
            docs=f"{public_url}/docs",
            sign_in=buttons,
            sign_in_note=DEVELOPMENT if development else ACCOUNT,
            version=metadata.version("delinkcious"),
        ),
        home=f"{public_url}/",
    )


def signed_in(public_url: str, answer: dict[str, Any], onward: str) -> Response:
    """Show a person their token and the first commands; ``onward`` is where they came from."""
    link = Markup('<p><a class="button" href="{}">Continue</a></p>').format(onward)
    body = fill(
        "signed_in.html",
        username=answer["username"],
        who=", ".join(filter(None, (answer["name"], answer["email"]))),
        onward=link if onward else "",
        token=answer["access_token"],
        expires_at=answer["expires_at"],
        expires=_in_words(answer["expires_at"]),
        steps=_steps(f"{public_url}/v1.0", answer["access_token"]),
    )
    return page("Signed in · Delinkcious", body, home=f"{public_url}/")


def problem(public_url: str, error: errors.ServiceError) -> Response:
    """Tell a person why they could not be signed in."""
    http_status = status.HTTP_STATUS[type(error)]
    body = fill(
        "problem.html",
        heading="You are not signed in",
        message=error.message,
        sign_in=f"{public_url}/login",
        status=int(http_status),
        code=error.code,
    )
    response = page("Not signed in · Delinkcious", body, home=f"{public_url}/")
    response.status_code = http_status
    return problems.tells_of(response, error.code)


def identity(public_url: str, login: str, wrong: str = "") -> Response:
    """Ask for a name: the page of the development identity provider."""
    body = fill("identity.html", login=login, wrong=wrong)
    response = page(
        "Development sign-in · Delinkcious",
        body,
        home=f"{public_url}/",
        # Chromium asks this of where the form's answer redirects to, as well.
        form_action=f"'self' {public_url}",
    )
    response.status_code = 400 if wrong else 200
    return response


def _steps(api: str, token: str) -> Markup:
    curl = f'curl -H "Access-Token: {token}"'
    link = "url=https://nats.io -d title=NATS -d tags=messaging,go"
    steps = {
        "Save a link": f"{curl} -d {link} {api}/links",
        "List your links": f"{curl} {api}/links",
        "Follow someone who has signed in": f"{curl} -d followed=bob {api}/following",
        "Read the news": f"{curl} {api}/news",
        "Log out": f"{curl} -X POST {api.removesuffix('/v1.0')}/logout",
    }
    return Markup().join(
        fill("step.html", name=f"step-{number}", words=words, command=command)
        for number, (words, command) in enumerate(steps.items())
    )


def _in_words(moment: str) -> str:
    when = datetime.fromisoformat(moment).astimezone(UTC)
    return f"{when:%-d %B %Y, %H:%M} UTC"


def page(title: str, body: Markup, *, home: str, form_action: str = "'none'") -> Response:
    """Return a page in the layout of all."""
    style, script = text("style.css"), text("copy.js")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        f"img-src data:; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
    )
    return Response(
        fill("layout.html", title=title, body=body, style=style, script=script, home=home),
        mimetype="text/html",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
        },
    )


def fill(template: str, **values: object) -> Markup:
    """Fill the template; whatever is not Markup already is escaped."""
    return text(template).format(**values)


@cache
def text(name: str) -> Markup:
    """Return a template, or what it includes."""
    # What stands in our own files is no input.
    return Markup((TEMPLATES / name).read_text("utf-8"))  # noqa: S704


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
