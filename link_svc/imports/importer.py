"""The work of an import, in steps: some links, their events and the progress in one transaction.

So whichever process is killed, and whoever goes on, each link of the file is done once: who goes on
reads the file from its beginning, and passes over as many links as are done.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import eventlet
from eventlet.greenthread import GreenThread
from sqlalchemy import Row
from sqlalchemy.orm import Session

from chassis.database.direct import engine_of
from chassis.database.transactions import transaction
from chassis.errors import InvalidInput, ServiceError, Unavailable
from link_svc import schemas
from link_svc.batches import Batch
from link_svc.domain import Changes, Link, NewLink
from link_svc.imports import entries
from link_svc.imports.entry import Entry
from link_svc.imports.store import ImportStore, Progress
from link_svc.store import LinkStore

# So few that neither the owner's other changes nor other people's requests wait for long.
LINKS_A_STEP = 100
_URL_SHOWN = 200

Found = Entry | entries.Unreadable


@dataclass
class Step:
    """Some links of a file, read and ready to be added."""

    batch: Batch
    progress: Progress  # that has been made with it, but for what becomes of the batch


class Importer:
    """Do imports one after the other, as one of those who share them.

    While the database is at one step, the next one is read.
    """

    def __init__(self, links: LinkStore, quota: int, longest_url: int) -> None:
        self._links = links
        self._imports = ImportStore(links.session)
        self._files = ImportStore(Session(engine_of(links.session)))  # read meanwhile
        self._quota = quota
        self._longest_url = longest_url
        self._holder = uuid.uuid4().hex
        self._job: Row[Any] | None = None
        self._rest: Iterator[Found] = iter(())
        self._next: GreenThread | None = None

    def step(self) -> bool:
        """Do some of an import; return whether there may be more to do."""
        if self._job is None:
            return self._begin()
        try:
            self._go_on(self._job)
        except BaseException:
            self._leave()  # what was read may be done or not: the import's row says it
            raise
        return True

    def stop(self) -> None:
        """Let another go on with what is not done."""
        if self._job is not None:
            self._imports.let_go(self._job.id, self._holder)
            self._leave()

    def _go_on(self, job: Row[Any]) -> None:
        step = self._next.wait() if self._next is not None else self._read_step(job)
        self._next = None
        if isinstance(step, Exception):
            raise step
        if not step.progress.done:
            self._imports.finish(job.id, self._holder, "done")
            self._leave()
            return
        if not self._take_in(job, step):
            self._leave()

    def _leave(self) -> None:
        self._job = None
        if self._next is not None:
            self._next.kill()
            self._next = None

    def _begin(self) -> bool:
        job = self._imports.claim(self._holder)
        if job is None:
            return False
        if job.total is None:
            total = sum(1 for _ in self._read(job))
            with transaction(self._links.session):
                if not self._imports.advance(job.id, self._holder, Progress(total=total)):
                    return True
        self._job, self._rest = job, islice(self._read(job), job.done, None)
        return True

    def _read(self, job: Row[Any]) -> Iterator[Found]:
        for number, found in enumerate(entries.read(self._files.read(job.id, job.pieces))):
            if number % LINKS_A_STEP == 0:
                eventlet.sleep(0)
            yield found

    def _read_step(self, job: Row[Any]) -> Step | Exception:
        """Read what comes next, or return why that cannot be: the hub would only print it."""
        try:
            some = list(islice(self._rest, LINKS_A_STEP))
            progress = Progress(done=len(some))
            news: list[NewLink] = []
            dates: dict[str, datetime | None] = {}
            for found in some:
                try:
                    news.append(self._new(job, found))
                except ServiceError as error:
                    _note(progress, error, found)
                else:
                    assert isinstance(found, Entry)
                    dates.setdefault(found.url, found.added)
            contexts = [self._links.context()] * len(news)
            return Step(Batch(news, contexts, dates), progress)
        except Exception as error:
            return error

    def _take_in(self, job: Row[Any], step: Step) -> bool:
        """Bring some links in; return whether to go on."""
        progress = step.progress
        with transaction(self._links.session):
            # The import's row before the owner's, as whoever removes a person has it.
            if not self._imports.advance(job.id, self._holder, Progress()):
                return False
            # It runs when we wait, and what we wait for longest is this.
            self._next = eventlet.spawn(self._read_step, job)
            results = self._links.add_batch(step.batch, self._quota)
            for new, result in zip(step.batch.news, results, strict=True):
                self._count(job, new, result, progress)
            return self._imports.advance(job.id, self._holder, progress)

    def _new(self, job: Row[Any], found: Found) -> NewLink:
        if isinstance(found, entries.Unreadable):
            raise InvalidInput("invalid_line", f"Line {found.number} is no link.")
        document: Any = found.document(job.visibility)
        return schemas.new_link(job.owner, document, self._longest_url)

    def _count(
        self, job: Row[Any], new: NewLink, result: Link | ServiceError, progress: Progress
    ) -> None:
        if isinstance(result, Link):
            progress.added += 1
        elif result.code != "link_exists":
            _note(progress, result, new.key)
        elif job.update_existing and self._update(new, progress):
            progress.updated += 1
        elif job.update_existing:
            pass
        else:
            progress.skipped += 1

    def _update(self, new: NewLink, progress: Progress) -> bool:
        """Change what is there to what the file says; note why that cannot be, or need not."""
        try:
            before = self._links.get(new.key)
            changes = Changes(new.key, new.title, new.description, new.tags, frozenset())
            after = self._links.update(changes)
        except Unavailable:
            raise
        except ServiceError as error:
            _note(progress, error, new.key)
            return False
        progress.skipped += before == after
        return before != after


def _note(progress: Progress, error: ServiceError, found: Any) -> None:
    progress.failed += 1
    url = getattr(found, "url", "")[:_URL_SHOWN]
    clean = url.encode(errors="replace").decode().replace("\0", "")
    progress.errors.append({"url": clean, "code": error.code, "message": error.message})
