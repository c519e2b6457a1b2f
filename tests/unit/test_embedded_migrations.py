"""Heads of migrations, read without alembic."""

from pathlib import Path

from embedded import migrations


def a_revision(folder: Path, name: str, after: str) -> None:
    text = f'"""Change."""\n\nrevision: str = "{name}"\ndown_revision = {after}\n\nx = [1]\n'
    folder.joinpath(f"{name}.py").write_text(text)


def test_head_is_the_revision_on_which_none_builds(tmp_path: Path) -> None:
    tmp_path.joinpath("__init__.py").touch()
    a_revision(tmp_path, "one", "None")
    a_revision(tmp_path, "two", '"one"')
    assert migrations.heads(tmp_path) == {"two"}


def test_every_service_has_one_head() -> None:
    folders = sorted(Path(__file__).resolve().parents[2].glob("*/migrations/versions"))
    assert [len(migrations.heads(folder)) for folder in folders] == [1, 1, 1]
