"""Answers that the caller has already: 304 instead of the same list again (RFC 9110, 13.1.2)."""

import base64
import hashlib

from werkzeug.wrappers import Request, Response

# Whoever keeps an answer asks each time whether it still holds, and keeps it for one caller alone.
CACHE_CONTROL = "private, no-cache"
VARY = ("Access-Token", "Authorization", "Accept")


def judge(request: Request, response: Response) -> Response:
    """Give a good answer its ETag, and shorten it to 304 if the caller names that."""
    if response.status_code != 200:
        return response
    if "ETag" not in response.headers:
        response.set_etag(_digest(response.get_data()))
    response.headers.setdefault("Cache-Control", CACHE_CONTROL)
    response.vary.update(VARY)
    etag = response.get_etag()[0] or ""
    if "If-None-Match" in request.headers and request.if_none_match.contains_weak(etag):
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"], response.headers["Content-Length"]
    return response


def _digest(body: bytes) -> str:
    """Return what stands for these bytes, and no others: a strong validator."""
    return base64.urlsafe_b64encode(hashlib.blake2b(body, digest_size=15).digest()).decode()
