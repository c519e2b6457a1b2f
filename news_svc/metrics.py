"""The numbers of news_svc alone."""

from chassis.telemetry import metrics

_SERVICE = "news_svc"

followers = metrics.histogram(
    "fanout_followers",
    "Followers to whose feeds an event was written.",
    buckets=(0, 1, 10, 100, 1_000, 10_000, 100_000),
).labels(_SERVICE)
feed_writes = metrics.counter("feed_writes", "Writes of an event into a feed.").labels(_SERVICE)
feeds_rebuilt = metrics.counter(
    "feeds_rebuilt", "Feeds that were lost or out of date, and made anew."
).labels(_SERVICE)
feed_reads = metrics.counter("feed_reads", "Pages of feeds that were read.").labels(_SERVICE)
