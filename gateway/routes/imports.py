"""Files of links, brought in by a job in the background."""

import base64
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta
from werkzeug.exceptions import UnsupportedMediaType

from chassis import http
from chassis.errors import AlreadyExists, InvalidInput, NotFound
from gateway import answers, parameters
from gateway.api import Call, api

# What goes over the bus at a time: base64 of it is well below NATS's limit of 1 MiB.
PIECE_BYTES = 262_144
_NO_SUCH_IMPORT = NotFound("no_such_import")
_MEDIA = ("text/html", "application/x-ndjson", "application/octet-stream")


class FailedLink(TypedDict):
    """A link of the file that could not be imported."""

    url: str
    code: Annotated[str, Meta(examples=["invalid_url"])]
    message: str


class Import(TypedDict):
    """How far an import is."""

    id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    state: Literal["receiving", "waiting", "running", "done", "cancelled", "failed"]
    total: Annotated[
        int | None, Meta(description="How many links the file has; not known at first.")
    ]
    done: Annotated[int, Meta(description="How many have had their turn.")]
    added: int
    updated: int
    skipped: Annotated[int, Meta(description="They were there already.")]
    failed: int
    errors: Annotated[list[FailedLink], Meta(description="The first twenty.")]
    created_at: answers.Moment
    changed_at: answers.Moment


class OneImport(TypedDict):
    """An import."""

    err: answers.Ok
    job: Import


class Imports:
    """Bring links in, see how far it is, and end it."""

    links: Any

    @api(
        *("POST", "imports"),
        scope="write",
        takes=parameters.NewImport,
        answers=OneImport,
        refuses=(AlreadyExists("import_under_way"), InvalidInput("empty_file")),
        uploads=_MEDIA,
        timeout_key="IMPORT_UPLOAD_SECONDS",
        body_key="MAX_IMPORT_BYTES",
        leads={"get_import": {"id": "$response.body#/job/id"}},
    )
    def begin_import(self, call: Call[parameters.NewImport]) -> OneImport:
        """Import the bookmarks of a browser, or links line by line as JSON; in the background.

        The body is the file: Netscape bookmarks, as browsers and bookmark services export them, or
        a link of ours on each line. Folders become tags. Nothing is done twice: what is there
        already is left, or brought up to date. One import of a person goes on at a time.
        """
        pieces = _pieces(call.request)
        wanted = call.params
        visibility, update = wanted.get("visibility", ""), wanted.get("existing") == "update"
        id_ = self.links.begin_import(call.username, visibility, update)
        for number, piece in enumerate(pieces):
            text = base64.b64encode(piece).decode()
            self.links.add_import_piece(call.username, id_, number, text)
        return _shown(self.links.start_import(call.username, id_))

    @api(
        *("GET", "imports/{id}"),
        scope="read",
        takes=parameters.WhichImport,
        answers=OneImport,
        refuses=(_NO_SUCH_IMPORT,),
    )
    def get_import(self, call: Call[parameters.WhichImport]) -> OneImport:
        """Tell how far an import is."""
        return _shown(self.links.get_import(call.username, call.params["id"]))

    @api(
        *("DELETE", "imports/{id}"),
        scope="write",
        takes=parameters.WhichImport,
        answers=OneImport,
        refuses=(_NO_SUCH_IMPORT,),
    )
    def cancel_import(self, call: Call[parameters.WhichImport]) -> OneImport:
        """End an import. What it has added stays."""
        return _shown(self.links.cancel_import(call.username, call.params["id"]))


def _pieces(request: http.Request) -> list[bytes]:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType
    if request.mimetype == "multipart/form-data":
        raise UnsupportedMediaType
    # Not a form, whatever curl says of it: the file is as it stands.
    body = request.get_data(cache=False, parse_form_data=False)
    if not body.strip():
        raise InvalidInput("empty_file", "The body is the file to import.", "body")
    return [body[place : place + PIECE_BYTES] for place in range(0, len(body), PIECE_BYTES)]


def _shown(job: Any) -> OneImport:
    return {"err": "", "job": job}
