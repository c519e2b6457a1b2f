"""Who may see what, over HTTP and in the news."""

from collections.abc import Callable

from tests.e2e.api import Api, added, assert_told

Newcomer = Callable[[str], Api]

URL = "https://example.org/visible"


def test_link_that_becomes_private_leaves_the_news_and_comes_back_as_news(
    newcomer: Newcomer,
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    bob.follow(alice.name)
    alice.add_link(f"{URL}/secret", visibility="private")
    alice.add_link(f"{URL}/1", visibility="public")
    alice.update_link(f"{URL}/1", title="One")
    alice.add_link(f"{URL}/2")
    first = [*added(alice, f"{URL}/1"), ("LINK_UPDATED", alice.name, f"{URL}/1")]
    assert_told(bob, [*first, *added(alice, f"{URL}/2")])
    token = bob.news(page_size=1)["next_token"]

    alice.update_link(f"{URL}/1", visibility="private", title="A secret")
    assert_told(bob, added(alice, f"{URL}/2"))
    assert bob.told(start_token=token) == added(alice, f"{URL}/2")
    assert alice.urls(visibility="private") == [f"{URL}/secret", f"{URL}/1"]

    alice.update_link(f"{URL}/1", visibility="followers")
    alice.delete_link(f"{URL}/secret")
    shown = [*added(alice, f"{URL}/2"), ("LINK_UPDATED", alice.name, f"{URL}/1")]
    assert_told(bob, shown)
    assert [link["Visibility"] for link in alice.links()["links"]] == ["followers", "followers"]
