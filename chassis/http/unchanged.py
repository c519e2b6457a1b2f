"""Answers that the caller has already: 304 instead of the same list again (RFC 9110, 13.1.2)."""

import base64
import hashlib

from werkzeug.wrappers import Request, Response

READS = ("GET", "HEAD")
# Whoever keeps an answer asks each time whether it still holds, and keeps it for one caller alone.
CACHE_CONTROL = "private, no-cache"
VARY = ("Access-Token", "Authorization", "Accept")


_VARY = ", ".join(VARY)


def validators(body: bytes) -> dict[str, str]:
    """Return the fields with which a caller may ask whether they have this body already."""
    return {"ETag": f'"{_digest(body)}"', "Cache-Control": CACHE_CONTROL, "Vary": _VARY}


def judge(request: Request, response: Response) -> Response:
    """Shorten a good answer to a reader to 304, if the caller names its ETag."""
    asked = request.method in READS and "HTTP_IF_NONE_MATCH" in request.environ
    if not asked or response.status_code != 200:
        return response
    if request.if_none_match.contains_weak(response.get_etag()[0] or ""):
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"], response.headers["Content-Length"]
    return response


def _digest(body: bytes) -> str:
    """Return what stands for these bytes, and no others: a strong validator."""
    return base64.urlsafe_b64encode(hashlib.blake2b(body, digest_size=15).digest()).decode()
