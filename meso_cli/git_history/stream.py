"""Entries in the order of appending → what `git fast-import` reads. One entry is in memory.

A commit's tree has the conversation in files of up to PAGE messages, so that a commit costs one
page and not the whole conversation, and below `workspace/` the files as the newest checkpoint on
the way has them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from meso_cli.git_history.texts import Said, said, seconds
from meso_services.contract.session import Entry

PAGE = 50
PAGE_BYTES = 64 << 10
REF = "refs/meso/import"


@dataclass(slots=True)
class Place:
    """Where an entry stands: the commit that has it, and the page that its text ends.

    `commit` is what fast-import calls it; `before` the entry whose page this one goes on with.
    """

    commit: str | None
    number: int = 0
    first: int = 1
    length: int = 0
    before: Place | None = None
    text: tuple[int, int] = (0, 0)


class Stream:
    """Commands for fast-import. `known` maps entries of an earlier export to their commits."""

    def __init__(self, known: Mapping[str, str], files: Mapping[str, str]) -> None:
        """`files` maps an entry to the tree of the workspace at it."""
        self._known, self._files = known, files
        self._places: dict[str, Place] = {}
        # Texts of the pages that may be gone on with lie aside.
        self._aside: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._marks = 0
        self.made: dict[str, int] = {}

    def close(self) -> None:
        """Forget the texts."""
        self._aside.close()

    def commands(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """The commits of all entries that the earlier export had not."""
        for entry in entries:
            yield from self._entry(entry)

    def commit(self, entry: str | None) -> str | None:
        """What fast-import calls the commit that shows a place; None where nothing was said."""
        place = self._places.get(entry) if entry else None
        return place.commit if place else None

    def _entry(self, entry: Entry) -> Iterator[bytes]:
        parent = self._places.get(entry.parent_id or "")
        spoken = said(entry)
        if spoken is None and not entry.merged:
            # It says nothing, so it is where its parent is.
            self._places[entry.id] = parent or Place(None)
            return
        if spoken is None:
            when = seconds(entry.timestamp)
            spoken = Said("merge", "session", "what was new on another branch", when)
        place, page = self._next(parent, spoken, entry.id)
        self._places[entry.id] = place
        if entry.id in self._known:
            place.commit = self._known[entry.id]
            return
        self._marks += 1
        self.made[entry.id] = self._marks
        place.commit = f":{self._marks}"
        yield from self._written(entry, spoken, parent, place, page)

    def _next(self, parent: Place | None, spoken: Said, ident: str) -> tuple[Place, bytes]:
        """The entry's place, and the whole text of its page."""
        text = spoken.page(ident)
        number = (parent.number if parent else 0) + 1
        start = self._aside.seek(0, 2)
        self._aside.write(text)
        place = Place(None, number, number, len(text), None, (start, len(text)))
        within = parent is not None and number - parent.first < PAGE
        if parent is not None and within and parent.length + len(text) <= PAGE_BYTES:
            place.first, place.before = parent.first, parent
            place.length = parent.length + len(text)
        return place, self._page(place)

    def _page(self, place: Place) -> bytes:
        parts = []
        at: Place | None = place
        while at is not None:
            self._aside.seek(at.text[0])
            parts.append(self._aside.read(at.text[1]))
            at = at.before
        return b"".join(reversed(parts))

    def _written(
        self, entry: Entry, spoken: Said, parent: Place | None, place: Place, page: bytes
    ) -> Iterator[bytes]:
        if parent is None or parent.commit is None:
            yield f"reset {REF}\n".encode()
        message = spoken.message(entry.id)
        name = spoken.author
        mail = "".join(c if c.isalnum() or c in "._-" else "-" for c in name.lower())
        who = f"{name} <{mail}@meso> {spoken.when} +0000\n"
        yield f"commit {REF}\nmark {place.commit}\nauthor {who}committer {who}".encode()
        yield f"data {len(message)}\n".encode() + message + b"\n"
        if parent is not None and parent.commit is not None:
            yield f"from {parent.commit}\n".encode()
        for other in dict.fromkeys(entry.merged):
            commit = self.commit(other)
            if commit is not None and commit != (parent.commit if parent else None):
                yield f"merge {commit}\n".encode()
        path = f"conversation/{place.first:06d}.md"
        yield f"M 100644 inline {path}\ndata {len(page)}\n".encode() + page + b"\n"
        if entry.id in self._files:
            yield f"M 040000 {self._files[entry.id]} workspace\n".encode()
        yield b"\n"
