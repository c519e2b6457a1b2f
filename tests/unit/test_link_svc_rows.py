from datetime import UTC, datetime, timedelta, timezone

import pytest

from link_svc.domain import rfc3339
from link_svc.rows import moment

EAST, WEST = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))


@pytest.mark.parametrize("zone", [UTC, EAST, WEST])
@pytest.mark.parametrize("microsecond", [0, 1, 100_000, 123_456, 999_990])
def test_time_as_postgresql_writes_it_is_worded_as_all_times_are(
    microsecond: int, zone: timezone
) -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, microsecond, zone)
    assert moment(_written(time)) == rfc3339(time)


def _written(time: datetime) -> str:
    """Write a time as PostgreSQL does: a fraction, and an offset, end without zeros."""
    fraction = f".{time.microsecond:06}".rstrip("0").rstrip(".")
    offset = time.isoformat()[-6:].removesuffix(":00")
    return f"{time:%Y-%m-%d %H:%M:%S}{fraction}{offset}"
