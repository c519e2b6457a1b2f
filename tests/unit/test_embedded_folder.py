"""One system at a time uses a data folder."""

from pathlib import Path

import pytest

from embedded import folder
from embedded.errors import CannotStart


def test_folder_is_taken_until_it_is_let_go(tmp_path: Path) -> None:
    data = tmp_path / "new/var"
    lock = folder.take(data)
    with pytest.raises(CannotStart, match="another system"):
        folder.take(data)
    lock.close()
    folder.take(data).close()


def test_file_in_the_way_is_told(tmp_path: Path) -> None:
    tmp_path.joinpath("var").touch()
    with pytest.raises(CannotStart, match="the data folder cannot be used"):
        folder.take(tmp_path / "var")
