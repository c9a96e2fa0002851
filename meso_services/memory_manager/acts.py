"""What can be done to a memory that is there: forget, bring back, fade, revert, edit by path."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from meso_services.files.strict_yaml import DocumentError
from meso_services.memory_manager.files import ARCHIVE, Entry, entry_of, new_head, whereabouts
from meso_services.memory_manager.index import Index
from meso_services.memory_manager.journal import new_event
from meso_services.memory_manager.store import Caller, MemoryStore, Written
from meso_services.runtime.errors import MesoError, storage_error


@dataclass(frozen=True)
class Weak:
    """A memory that faded, or would; its strength then."""

    entry: Entry
    strength: float


class Acts:
    """Changes of memories that exist. Every method raises MesoError."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def forget(self, name: str, caller: Caller, reason: str) -> Entry:
        """Hide a memory: its file lies in the archive afterwards. Again it changes nothing."""
        return self._between(name, caller, reason, archived=True)

    def unforget(self, name: str, caller: Caller, reason: str) -> Entry:
        """Bring a forgotten memory back, as strong as a new one."""
        return self._between(name, caller, reason, archived=False)

    def _between(self, name: str, caller: Caller, reason: str, *, archived: bool) -> Entry:
        with self._store.lock:
            entry = self._store.find(name)
            if entry.archived == archived:
                return entry
            to = whereabouts(entry.path)[archived]
            kind = "forgotten" if archived else "unforgotten"
            return self._store.moved(entry, to, kind, caller, reason)

    def fade(
        self, age: float, below: float, caller: Caller, *, dry_run: bool
    ) -> tuple[list[Weak], int]:
        """Archive what nobody used or changed for `age` seconds, if it is weak; never deleted.

        Returns what faded and how many were old enough but strong.
        """
        store, now = self._store, time.time()
        store.tick()

        def old(index: Index) -> list[tuple[str, float]]:
            states = ((name, store.lives.state(index, name)) for name in index.ids())
            return [(name, state.at(now, store.lives.parameters)) for name, state in states
                    if now - state.last >= age]  # fmt: skip

        found = store.in_lock(old, fresh=True)
        weak = [(name, strength) for name, strength in found if strength < below]
        faded = []
        for name, strength in weak:
            with store.lock:
                entry = store.find(name)
                if not dry_run and not entry.archived:
                    about = f"strength {strength:.3f} after {age / 86400:.0f} days without use"
                    to = whereabouts(entry.path)[1]
                    entry = store.moved(entry, to, "faded", caller, about)
                faded.append(Weak(entry, strength))
        return faded, len(found) - len(weak)

    def read_path(self, path: str, caller: Caller | None) -> Entry:
        """The memory at a path. Raises `memory.not_found`, `memory.unreadable`, `memory.link`."""
        with self._store.lock:
            entry = self._at(path)
        if entry is None:
            raise MesoError("memory.not_found", f"there is no file {path}", status=404,
                            hint="`meso memory list` names them")  # fmt: skip
        if caller is not None:
            self._store.used([entry.id], "read", caller.source)
        return entry

    def write_path(
        self, path: str, content: str, tags: tuple[str, ...] | None, caller: Caller, *,
        if_sha256: str | None = None,
    ) -> Written:  # fmt: skip
        """What the memory at `path` says from now on; its front matter stays."""
        _not_archived(path)

        def change(_old: Entry | None, text: str) -> str:
            return text

        return self._changed(path, content, caller, change, tags=tags, if_sha256=if_sha256)

    def append_path(self, path: str, content: str, caller: Caller) -> Written:
        """Add to the end of the memory at `path`, or begin it."""
        _not_archived(path)

        def change(old: Entry | None, text: str) -> str:
            return f"{old.content.rstrip()}\n{text}" if old and old.content.strip() else text

        return self._changed(path, content, caller, change)

    def _changed(  # noqa: PLR0913 (what makes up one change)
        self, path: str, content: str, caller: Caller,
        change: Callable[[Entry | None, str], str], *,
        tags: tuple[str, ...] | None = None, if_sha256: str | None = None,
    ) -> Written:  # fmt: skip
        store = self._store
        text, masked = store.checked(content, caller)
        with store.lock:
            text, recalled = store.without_known(text, path)
            if not text.strip():
                return store.only_recalled(recalled, masked)
            old = self._at(path)
            _as_expected(path, old, if_sha256)
            head = dict(old.head) if old and not old.problem else {}
            if old is None:
                head = new_head(caller.source, tags or ())
            elif tags is not None:
                head["tags"] = list(tags)
            if old is not None and not head:
                head = {"id": old.id, "source": old.source or "by hand", "tags": list(old.tags)}
            text = change(old, text)
            store.check(text)
            name = str(head.get("id") or (old.id if old else ""))
            kind = "edited" if old else "born"
            event = new_event(time.time(), name, kind, by=caller.source, path=path)
            entry = store.written(path, head, text, events=[event], about=f"{kind} {name}",
                                  caller=caller, new=old is None)  # fmt: skip
            return Written(entry, old is None, recalled, masked, store.against(entry))

    def revert(self, name: str, commit: str | None, caller: Caller) -> Entry:
        """What a memory said at a commit; without one, before its newest change.

        Raises `memory.no_commit`, `memory.purged`, `memory.nothing_to_revert`.
        """
        store = self._store
        store.committer.flush()
        paths = store.paths_of(name)
        with store.committer.exclusive(), store.lock:
            raw = self._version(name, paths, commit)
            if hashlib.sha256(raw).hexdigest() in store.purged_hashes():
                raise MesoError("memory.purged", f"that version of {name} was purged", status=409)
            try:
                then = entry_of(paths[0], raw)
            except DocumentError as problem:
                raise MesoError("memory.unreadable", str(problem), status=409) from None
            now = store.index.use(lambda index: store.entry(index, name), fresh=True)
            path = now.path if now else whereabouts(paths[-1])[0]
            try:
                entry = store.files.put_raw(path, then.raw)
            except OSError as problem:
                raise storage_error(problem, store.directory) from None
            event = new_event(time.time(), name, "reverted", by=caller.source, path=path,
                              about=commit or "before the newest change")  # fmt: skip
            store.record(entry, [event], f"revert {name}\n\nTo: {commit or 'before'}\n",
                         caller.source)  # fmt: skip
            return entry

    def _version(self, name: str, paths: list[str], commit: str | None) -> bytes:
        repository = self._store.committer.repository
        if commit is not None:
            found = [raw for path in paths if (raw := repository.show(commit, path)) is not None]
            if found:
                return found[0]
            raise MesoError("memory.no_commit", f"{name} is not in commit {commit}", status=404,
                            hint=f"`meso memory history {name}` lists its commits")  # fmt: skip
        now = self._store.index.use(lambda index: self._store.entry(index, name), fresh=True)
        for one in repository.history(paths):
            for path in paths:
                raw = repository.show(one.commit, path)
                if raw is not None and (now is None or raw != now.raw):
                    return raw
        raise MesoError(
            "memory.nothing_to_revert", f"the history has no other version of {name}", status=409
        )

    def _at(self, path: str) -> Entry | None:
        try:
            return self._store.files.read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, DocumentError) as problem:
            raise MesoError(
                "memory.unreadable", f"{path} cannot be read: {problem}", status=409,
                hint="it is no memory's text; move it away or repair it",
            ) from None  # fmt: skip


def _as_expected(path: str, old: Entry | None, wanted: str | None) -> None:
    if wanted is not None and (old is None or old.sha256 != wanted):
        raise MesoError("memory.changed", f"{path} is not what it was", status=409,
                        hint="read it again, and change that")  # fmt: skip


def _not_archived(path: str) -> None:
    if path.startswith(ARCHIVE):
        raise MesoError(
            "memory.archived", f"{path} is in the archive of forgotten memories", status=409,
            hint="`meso memory unforget ID` brings it back",
        )  # fmt: skip
