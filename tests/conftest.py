"""What every tier shares."""

from collections.abc import Iterator

import pytest
from nameko import config


@pytest.fixture(autouse=True)
def untouched_config() -> Iterator[None]:
    """Give each test nameko's configuration as it was, whatever the test sets."""
    before = dict(config)
    yield
    config.clear()
    config.update(before)
