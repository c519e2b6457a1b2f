import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from link_svc.domain import rfc3339
from link_svc.rows import moment

ZONES = [UTC, timezone(timedelta(0)), timezone(timedelta(hours=-5, minutes=-30))]
# Whatever the zone, it is a year of four digits in UTC.
YEARS = {"min_value": datetime(2, 1, 1), "max_value": datetime(9998, 1, 1)}


@given(st.datetimes(**YEARS, timezones=st.sampled_from(ZONES)))
def test_time_as_postgresql_writes_it_is_worded_as_all_times_are(time: datetime) -> None:
    tenths = time.microsecond // 100_000 * 100_000
    for each in (time, time.replace(microsecond=0), time.replace(microsecond=tenths)):
        assert moment(_written(each)) == rfc3339(each)


def _written(time: datetime) -> str:
    """Write a time as PostgreSQL does: a fraction, and an offset, end without zeros."""
    text, offset = time.isoformat(sep=" ")[:-6], time.isoformat()[-6:]
    return re.sub(r"(\.\d*?)0+$", r"\1", text).removesuffix(".") + offset.removesuffix(":00")
