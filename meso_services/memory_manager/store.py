"""Memories: writing them without junk, reading, searching."""

from __future__ import annotations

import functools
import re
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from meso_services.memory import search as hybrid
from meso_services.memory.engine import ANY, Filters, Floats
from meso_services.memory.search import Ranked
from meso_services.memory.words import words_of
from meso_services.memory_manager.comparing import Said, keys, said, same, whole_key
from meso_services.memory_manager.core import Core
from meso_services.memory_manager.files import (
    MOST_ALSO,
    Entry,
    MemoryFiles,
    new_head,
    stamp_of,
    whereabouts,
)
from meso_services.memory_manager.finding import text_of
from meso_services.memory_manager.guard import Flood, without_recalled, without_secrets
from meso_services.memory_manager.index import Index
from meso_services.memory_manager.journal import new_event
from meso_services.memory_manager.life import Event
from meso_services.memory_manager.settings import Settings
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

HEALTH = ".health"
MOST_TAGS = 32
# A paragraph of fewer words may be anybody's.
QUOTED_WORDS = 8
# Users of the machine may write this many times what one source may.
PER_USER = 4


@dataclass(frozen=True)
class Result:
    """Hits, best first, each with its path and `created`; the words searched for; the number of
    memories searched; why meaning took no part, if it did not.
    """

    hits: tuple[tuple[Ranked, str, str | None], ...]
    words: tuple[str, ...]
    searched: int
    meaning: str = ""


@dataclass(frozen=True)
class Written:
    """What became of a write; `contradicts` names older memories with the reason."""

    entry: Entry
    created: bool
    recalled: tuple[str, ...] = ()
    masked: bool = False
    contradicts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Caller:
    """Who calls: the source it names, and the user that the kernel names."""

    source: str
    user: str = ""


class MemoryStore(Core):
    """The memories below one directory. Safe to use from several threads."""

    def __init__(self, directory: Path, settings: Settings, run: Path) -> None:
        """Open the index, or build it. `run` has the sockets of who embeds."""
        super().__init__(directory, settings, run)
        self._flood = Flood()

    def write(self, content: str, tags: tuple[str, ...], caller: Caller) -> Written:
        """Keep a memory; it is on the disk and findable afterwards.

        What is nearly the same as a memory becomes one with it. Raises `memory.empty`,
        `memory.too_large`, `memory.secret`, `memory.recalled`, `memory.flood`, `storage.*`.
        """
        text, masked = self.checked(content, caller)
        # Before anybody is kept waiting; what is left out below is embedded again by and by.
        self.finder.vectors.of(text_of(text))
        with self.lock:
            text, recalled = self.without_known(text)
            if not text.strip():
                return self.only_recalled(recalled, masked)
            found = self.index.use(lambda index: self._same(index, said(text)))
            if found is not None:
                entry, created = self._merged(found, text, tags, caller), False
            else:
                entry, created = self._new(text, tags, caller), True
            return Written(entry, created, recalled, masked, self.against(entry))

    def checked(self, content: str, caller: Caller) -> tuple[str, bool]:
        """A text that may be kept, and whether something was masked."""
        self.check(content)
        text, masked = without_secrets(content, self.settings.secrets)
        without_secrets(caller.source, "refuse")
        pace, burst = self.settings.source_per_minute, self.settings.source_burst
        if caller.user:
            self._flood.admit(f"user {caller.user}", pace * PER_USER, burst * PER_USER)
        self._flood.admit(f"source {caller.source}", pace, burst)
        return text, masked

    def without_known(self, text: str, at: str = "") -> tuple[str, tuple[str, ...]]:
        """Without what is tagged as memory, and without paragraphs that are a memory already.

        `at` is where it will be written: what that file says may stand there again.
        """
        cleaned = without_recalled(text)
        paragraphs = re.split(r"\n\s*\n", cleaned.text)
        if len(paragraphs) < 2:
            return cleaned.text, cleaned.recalled
        kept, recalled = [], list(cleaned.recalled)
        for paragraph in paragraphs:
            name = self.index.use(functools.partial(self._whole, text=said(paragraph), at=at))
            if name is None:
                kept.append(paragraph)
            else:
                recalled.append(name)
        if len(kept) == len(paragraphs):
            return cleaned.text, cleaned.recalled
        return "\n\n".join(kept).strip(), tuple(dict.fromkeys(recalled))

    def _whole(self, index: Index, text: Said, at: str) -> str | None:
        if len(text.content) < QUOTED_WORDS:
            return None
        for one in index.by_keys([whole_key(text)]):
            known = self.said_by(one) if one.path != at else None
            if known is not None and known.tokens == text.tokens:
                return one.id
        return None

    def only_recalled(self, recalled: tuple[str, ...], masked: bool) -> Written:
        for name in recalled:
            entry = self.index.use(functools.partial(self.entry, name=name))
            if entry is not None:
                return Written(entry, False, recalled, masked)
        raise MesoError(
            "memory.recalled",
            "the text is all tagged as coming from memory, and that is not kept again",
            status=422,
            hint="write what is new, without the [memory …] blocks",
            detail={"recalled": list(recalled)},
        )

    def _same(self, index: Index, text: Said) -> Entry | None:
        """A memory that says nearly the same; one in use rather than a forgotten one."""
        alike = [one for one in index.by_keys(keys(text))
                 if (known := self.said_by(one)) and same(text, known)]  # fmt: skip
        for one in sorted(alike, key=lambda one: (one.archived, one.path)):
            if (entry := self.read(one.path)) is not None and same(text, said(entry.content)):
                return entry
        return None

    def _new(self, text: str, tags: tuple[str, ...], caller: Caller) -> Entry:
        head = new_head(caller.source, tags)
        created = str(head["created"])
        path = f"{created[:4]}/{created[5:7]}/{head['id']}.md"
        event = new_event(time.time(), str(head["id"]), "born", by=caller.source, path=path)
        return self.written(path, head, text, events=[event], about=f"write {head['id']}",
                            caller=caller, new=True)  # fmt: skip

    def written(  # noqa: PLR0913 (what makes up one change)
        self, path: str, head: dict[str, object], text: str, *, events: list[Event], about: str,
        caller: Caller, new: bool = False,
    ) -> Entry:  # fmt: skip
        """Write a file, take it in, have it committed. What is refused does not turn up later."""
        before = None if new else self.read(path)
        try:
            entry = self.files.put(path, head, text, new=new)
        except OSError as error:
            raise storage_error(error, self.directory) from None
        try:
            self.record(entry, events, _message(about, caller), caller.source)
        except MesoError:
            if before is None:
                durable.remove(self.directory / path)
            else:
                durable.write(self.directory / path, before.raw)
            raise
        return entry

    def _merged(self, old: Entry, text: str, tags: tuple[str, ...], caller: Caller) -> Entry:
        """One memory of two: the fuller text, all tags, and where both came from."""
        head = dict(old.head)
        also = list(old.also)
        known = {one.get("source") for one in also} | {old.source}
        union = tuple(dict.fromkeys((*old.tags, *tags)))[:MOST_TAGS]
        fuller = len(said(text).content) > len(said(old.content).content)
        if caller.source not in known and len(also) < MOST_ALSO:
            more = {"source": caller.source, "at": stamp_of(datetime.now(UTC))}
            also.append({**more, "tags": " ".join(tags)} if tags else more)
        if not (old.archived or fuller or union != old.tags or len(also) > len(old.also)):
            return old
        head |= {"id": old.id, "tags": list(union)}
        if also:
            head["also"] = also
        if old.archived:
            old = self.moved(old, whereabouts(old.path)[0], "unforgotten", caller, "written again")
        events = [new_event(time.time(), old.id, "merged", by=caller.source, path=old.path,
                            about="with a fuller text" if fuller else "")]  # fmt: skip
        body = text if fuller else old.content
        return self.written(old.path, head, body, events=events,
                            about=f"merge into {old.id}", caller=caller)  # fmt: skip

    def moved(self, old: Entry, to: str, kind: str, caller: Caller, about: str) -> Entry:
        """A memory at another place. Raises `memory.in_the_way`, `storage.*`."""
        try:
            self.files.move(old.path, to)
        except FileExistsError:
            raise MesoError(
                "memory.in_the_way", f"another file lies at {to}", status=409,
                hint="rename one of the two",
            ) from None  # fmt: skip
        except OSError as error:
            raise storage_error(error, self.directory) from None
        entry = replace(old, path=to)
        event = new_event(time.time(), old.id, kind, by=caller.source, path=to, about=about)
        self.record(entry, [event], _message(f"{kind} {old.id}", caller), caller.source,
                    gone=old.path)  # fmt: skip
        return entry

    def against(self, entry: Entry) -> tuple[tuple[str, str], ...]:
        def look(index: Index) -> tuple[tuple[str, str], ...]:
            found = []
            for name in self.lives.contradicting(index, entry.id):
                events = self.lives.of(index, name)
                found.append((name, next((e.about for e in reversed(events)
                                          if e.other == entry.id), "")))  # fmt: skip
            return tuple(found)

        return self.index.use(look)

    def get(self, name: str, caller: Caller | None = None) -> Entry:
        """One memory as its file says it now; to be read strengthens it."""
        with self.lock:
            entry = self.find(name)
        if caller is not None:
            self.used([entry.id], "read", caller.source)
        return entry

    def search(self, query: str, limit: int, filters: Filters = ANY) -> Result:
        """Memories that have the query's words or meaning, best first. Raises
        `memory.empty_query`.
        """
        words = words_of(query)
        if not words:
            raise MesoError(
                "memory.empty_query", "the query holds no word to search for", status=422
            )
        return self.ranked(words, self.finder.vectors.of(query.strip()), filters, limit)

    def ranked(
        self, words: tuple[str, ...], vector: Floats | None, filters: Filters, limit: int
    ) -> Result:
        """The same for words and a vector."""
        by = hybrid.Parameters(
            words=self.settings.words_weight, strength_weight=self.settings.strength_weight
        )

        def look(index: Index) -> Result:
            found = self.finder.search(index, words, vector, filters, limit, parameters=by)
            places = index.places([one.document.id for one in found])
            hits = [(one, *places[one.document.id]) for one in found if one.document.id in places]
            return Result(tuple(hits), words, index.count(), self._no_meaning(vector))

        return self.in_lock(look)

    def _no_meaning(self, vector: Floats | None) -> str:
        if vector is not None:
            return ""
        return f"no embedding of the query: {self.finder.vectors.problem or 'not to be had now'}"

    def state(self) -> tuple[int, list[str]]:
        """Number of memories, and what is wrong with files."""
        count, problems = self.in_lock(lambda index: (index.count(), index.problems()))
        return count, [*filter(None, [self.index.behind, self.committer.problem]), *problems]

    def prove(self) -> bool:
        """Write, find and remove a memory where no user can meet it. Raises OSError."""
        word = f"probe{secrets.token_hex(8)}"
        files = MemoryFiles(self.directory / HEALTH, 4096)
        durable.make_directories(files.directory)
        entry = files.write(word, "health", ())
        try:
            with self.lock:
                found = files.read(entry.path)
                return self.index.use(lambda index: self.finder.prove(index, found, word))
        finally:
            durable.remove(files.directory / entry.path)

    def paths_of(self, name: str) -> list[str]:
        """Every place that a memory had, the present one first. Raises `memory.not_found`."""

        def look(index: Index) -> list[str]:
            told = [event.path for event in self.lives.of(index, name) if event.path]
            now = index.path_of(name)
            return [*([now] if now else []), *reversed(told)]

        found = self.in_lock(look, fresh=True)
        if not found:
            raise MesoError("memory.not_found", f"no memory had the id {name!r}", status=404,
                            hint="`meso memory list` names them")  # fmt: skip
        both = [place for path in found for place in (path, *whereabouts(path))]
        return list(dict.fromkeys(both))

    def purged_hashes(self) -> frozenset[str]:
        """SHA-256 of files that were purged: they must not come back."""

        def look(index: Index) -> frozenset[str]:
            rows = index.run("SELECT about FROM events WHERE kind = 'purged'")
            return frozenset(digest for row in rows for digest in row[0].split())

        return self.in_lock(look)

    def check(self, content: str) -> None:
        """Raises `memory.empty`, `memory.too_large`."""
        if not content.strip():
            raise MesoError("memory.empty", "the memory holds nothing but space", status=422)
        size, most = len(content.encode()), self.files.max_bytes
        if size > most:
            raise MesoError(
                "memory.too_large",
                f"the memory has {size} bytes, the limit is {most}",
                status=413,
                hint="one memory holds one fact; or raise services.memory_manager.content_max",
                detail={"size": size, "limit": most},
            )


def _message(about: str, caller: Caller) -> str:
    return f"{about}\n\nCaller: {caller.user}\n" if caller.user else f"{about}\n"
