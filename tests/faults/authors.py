"""Authors who add links while something is broken, and what their readers must be told in the end.

Each feed has every change that was answered with success, once, in the order in which its author
made them; those that were answered with an error may be there or not.
"""

from dataclasses import dataclass, field

import requests

from tests.e2e.api import Api


@dataclass
class Author:
    """Somebody who adds links one after the other until told to stop."""

    api: Api
    name: str
    added: list[str] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)

    def add(self, number: int) -> None:
        url = f"https://example.org/{self.name}/{number}"
        try:
            answer = self.api.call("POST", "/v1.0/links", json={"url": url})
        except requests.RequestException:
            self.doubtful.add(url)
        else:
            (self.added.append if answer.ok else self.doubtful.add)(url)


def feed(reader: Api) -> list[str]:
    """Return the URLs of a whole feed, from page to page."""
    urls, token = [], ""
    while True:
        page = reader.news(start_token=token, page_size=100)
        urls += [event["Url"] for event in page["events"]]
        token = page["next_token"]
        if not token:
            return urls


def settled(reader: Api, authors: list[Author]) -> bool:
    """Tell whether a feed of all these authors is what it must be."""
    told = feed(reader)
    return all(
        [url for url in told if url in set(author.added)] == author.added
        and len(set(told)) == len(told)
        and {url for url in told if f"/{author.name}/" in url} <= {*author.added, *author.doubtful}
        for author in authors
    )
