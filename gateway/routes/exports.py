"""All links of the caller's as a file, passed on as link_svc writes it."""

import weakref
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Response

from chassis import http
from gateway import exporting, parameters
from gateway.api import Body, Call, api

_MEDIA = {"html": "text/html; charset=utf-8", "jsonl": "application/x-ndjson"}
_FILE = Body("The file.", media=("text/html", "application/x-ndjson"))


class Exports:
    """Take links away."""

    links: Any
    export_places: Any

    @api(
        *("GET", "links/export"),
        scope="read",
        takes=parameters.Export,
        answers=_FILE,
        refuses=(exporting.UNDER_WAY, exporting.TOO_MANY),
        timeout_key="EXPORT_SECONDS",
    )
    def export_links(self, call: Call[parameters.Export]) -> Response:
        """Take all links away as a file, which can be imported again.

        It comes as it is made, oldest links first. If a part of the system fails meanwhile, the
        answer breaks off without its last chunk: what has come then is not the whole file. One
        export of a person goes on at a time.
        """
        file_format = call.params.get("format", "html")
        place = self.export_places.take(call.username)
        try:
            file = http.streamed(
                _parts(self.links, call.username, file_format),
                content_type=_MEDIA[file_format],
                headers={"Content-Disposition": _disposition(call.username, file_format)},
            )
        except BaseException:
            place()
            raise
        # Given back whatever becomes of the answer, sent or not.
        file.call_on_close(weakref.finalize(file, place))
        return file


def _parts(links: Any, username: str, file_format: str) -> Generator[bytes, None, None]:
    token = ""
    while True:
        part = links.export_links(username, file_format, token)
        yield part["text"].encode()
        token = part["next_token"]
        if not token:
            return


def _disposition(username: str, file_format: str) -> str:
    """Name the file; a user name holds nothing that must be quoted."""
    return f'attachment; filename="links-{username}-{datetime.now(UTC):%Y-%m-%d}.{file_format}"'
