"""Counts with two people of a running system of ours."""

from contextlib import closing
from pathlib import Path
from uuid import uuid4

from bench.api import Api
from bench.count.meter import Counts, metering
from bench.count.operations import Scene, count_all
from embedded.settings import Settings
from embedded.sign_in import access_token


def counts(root: Path) -> dict[str, Counts]:
    """Return what each operation costs; raise CannotStart."""
    settings = Settings(root)
    names = [f"count-{role}-{uuid4().hex[:8]}" for role in ("writer", "reader")]
    writer, reader = (access_token(settings, name) for name in names)
    with closing(Api(str(settings.get("PUBLIC_URL")))) as api, metering(settings) as meter:
        scene = Scene(api, names[0], writer, reader)
        scene.prepare()
        return count_all(scene, meter)
