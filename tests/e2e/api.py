"""A person's view of the public API, for tests."""

from typing import Any

import requests

SECONDS = 10


class Api:
    """One caller: the methods return the answer's JSON, and assert that it is a success."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.headers = {"Access-Token": token} if token else {}

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send any request, and return its answer as it is."""
        headers = self.headers | arguments.pop("headers", {})
        return requests.request(
            method, self.url + path, headers=headers, timeout=SECONDS, **arguments
        )

    def add_link(self, url: str, **fields: Any) -> None:
        self._success(self.call("POST", "/v1.0/links", json={"url": url, **fields}))

    def update_link(self, url: str, **fields: Any) -> None:
        self._success(self.call("PUT", "/v1.0/links", json={"url": url, **fields}))

    def delete_link(self, url: str) -> None:
        self._success(self.call("DELETE", "/v1.0/links", json={"url": url}))

    def links(self, **query: Any) -> dict[str, Any]:
        return self._success(self.call("GET", "/v1.0/links", params=query))

    def follow(self, followed: str) -> None:
        self._success(self.call("POST", "/v1.0/following", json={"followed": followed}))

    def unfollow(self, followed: str) -> None:
        self._success(self.call("DELETE", "/v1.0/following", json={"followed": followed}))

    def followers(self, **query: Any) -> dict[str, Any]:
        return self._success(self.call("GET", "/v1.0/followers", params=query))

    def following(self, **query: Any) -> dict[str, Any]:
        return self._success(self.call("GET", "/v1.0/following", params=query))

    def news(self, **query: Any) -> dict[str, Any]:
        return self._success(self.call("GET", "/v1.0/news", params=query))

    def _success(self, answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        body: dict[str, Any] = answer.json()
        assert body["err"] == ""
        return body
