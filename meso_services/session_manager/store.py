"""All sessions: directories of files, one process that writes to them."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from meso_services.contract.session import CreateSession, SessionPage
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log
from meso_services.session_manager import entries
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.flusher import Flusher
from meso_services.session_manager.index.index import Index
from meso_services.session_manager.index.search import Search
from meso_services.session_manager.lines import is_regular

MAX_HEADER = 64 * 1024
INDEX = "index.sqlite"
_ID = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_log = Log("meso.sessions")


class SessionStore:
    """The sessions below `place` (`/meso/sessions`).

    The files in `main/` and `archives/` are the truth; the index is derived from them. Methods
    may be called from any thread. Only one process may hold a store: another raises
    `session.store_in_use`.
    """

    def __init__(self, place: Path, workspaces: Path) -> None:
        self.place = place
        self.main = place / "main"
        self.archives = place / "archives"
        self.torn = place / "torn"
        self._workspaces = workspaces
        self.lock = threading.RLock()
        self._sessions: dict[str, SessionFile] = {}
        self._files: dict[Path, str] = {}
        self._create_keys: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        try:
            durable.make_directories(self.main)
            durable.make_directories(self.archives)
            durable.make_directories(place / ".index")
            self._writer = _sole_writer(place)
        except OSError as problem:
            raise storage_error(problem, place) from problem
        self.index = Index(place / ".index" / INDEX)
        self.search = Search(self)
        self._flusher = Flusher(self.index, self.search.catch_up)
        self._look()

    def close(self) -> None:
        """Let another process write."""
        self._flusher.close()
        for session in self._sessions.values():
            session.close()
        self.index.close()
        os.close(self._writer)

    def create(self, wanted: CreateSession, key: str | None) -> tuple[SessionFile, bool]:
        """Make a session; return it and whether the same `key` had made it before."""
        if wanted.parent_session:
            self.get(wanted.parent_session)
        with self.lock:
            if (before := self.created_by(key)) is not None:
                return before, True
            header, lines = self._beginning(wanted, key)
            return self.place_file(header, lines), False

    def created_by(self, key: str | None) -> SessionFile | None:
        """The session that was made under this idempotency key."""
        with self.lock:
            return self._sessions.get(self._create_keys.get(key or "", ""))

    def place_file(self, header: dict[str, Any], content: bytes) -> SessionFile:
        """Write a whole session file, which nobody sees before it is complete."""
        stamp = re.sub("[^0-9A-Za-z-]", "-", str(header.get("timestamp", "")))[:40]
        path = self.main / f"{stamp}_{header['id']}.jsonl"
        with self.lock:
            try:
                durable.write(path, content, replace=False)
            except OSError as problem:
                raise storage_error(problem, path) from problem
            return self._adopt(path, header)

    def take_in(self, header: dict[str, Any], lines: Iterable[bytes]) -> SessionFile:
        """Make a session of these lines, of which nobody sees any before all are on the disk.

        Raises `session.invalid`, `session.exists`, `storage.*`.
        """
        self._check_header(header)
        aside = self.place / ".index" / f"{durable.TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            with aside.open("xb") as target:
                target.write(entries.encode(header))
                target.writelines(lines)
                target.flush()
                os.fsync(target.fileno())
            return self._adopted(header, aside)
        except OSError as problem:
            raise storage_error(problem, aside) from problem
        finally:
            aside.unlink(missing_ok=True)

    def _check_header(self, header: dict[str, Any]) -> None:
        with self.lock:
            self._look()
            if reason := self._refusal(header):
                exists = header.get("id") in self._sessions
                raise MesoError(
                    "session.exists" if exists else "session.invalid",
                    f"the session cannot be taken in: {reason}",
                    status=409 if exists else 422,
                )

    def _adopted(self, header: dict[str, Any], written: Path) -> SessionFile:
        stamp = re.sub("[^0-9A-Za-z-]", "-", str(header.get("timestamp", "")))[:40]
        path = self.main / f"{stamp}_{header['id']}.jsonl"
        with self.lock:
            durable.move(written, path)
            return self._adopt(path, header)

    def header(self, wanted: CreateSession, key: str | None = None) -> dict[str, Any]:
        """The first line of a new session."""
        ident = str(uuid.uuid4())
        header: dict[str, Any] = {
            "type": "session",
            "version": entries.VERSION,
            "id": ident,
            "timestamp": entries.now(),
            "cwd": wanted.cwd or str(self._workspaces / ident / "main"),
        }
        if wanted.parent_session:
            header["parentSession"] = wanted.parent_session
        if key is not None:
            header["meso"] = {"key": key}
        return header

    def _beginning(self, wanted: CreateSession, key: str | None) -> tuple[dict[str, Any], bytes]:
        header = self.header(wanted, key)
        lines = entries.encode(header)
        if wanted.name is not None:
            lines += entries.entry_line(entries.named(wanted.name, header["timestamp"]))
        return header, lines

    def get(self, ident: str) -> SessionFile:
        """The session `ident`. Raises `session.not_found`."""
        with self.lock:
            if ident not in self._sessions:
                self._look()
            if ident not in self._sessions:
                raise not_found(ident)
            return self._sessions[ident]

    def page(
        self,
        after: str | None,
        limit: int,
        *,
        parent: str | None = None,
        archived: bool | None = None,
    ) -> SessionPage:
        """Up to `limit` sessions after the session `after`, oldest first."""
        with self.lock:
            self._look()
            order = [self._files[path] for path in sorted(self._files, key=lambda p: p.name)]
            if after is not None and after not in self._sessions:
                raise not_found(after)
            first = order.index(after) + 1 if after is not None else 0
            rest = [self._sessions[ident] for ident in order[first:]]
        wanted = (
            session
            for session in rest
            if archived in (None, session.archived)
            and parent in (None, session.header.get("parentSession"))
        )
        chosen = [session for session, _ in zip(wanted, range(limit + 1), strict=False)]
        described = tuple(session.describe() for session in chosen[:limit])
        return SessionPage(
            sessions=described, next=described[-1].id if len(chosen) > limit else None
        )

    def all(self) -> Iterator[SessionFile]:
        """Every session, oldest first."""
        with self.lock:
            self._look()
            order = sorted(self._files, key=lambda path: path.name)
            return iter([self._sessions[self._files[path]] for path in order])

    def archive(self, ident: str, *, archived: bool) -> SessionFile:
        """Move a session's file to the archive, where it is only read, or back."""
        with self.lock:
            session = self.get(ident)
            if session.archived == archived:
                return session
            with session.lock:
                target = (self.archives if archived else self.main) / session.path.name
                old = session.path
                try:
                    durable.move(old, target)
                except OSError as problem:
                    raise storage_error(problem, target) from problem
                session.moved(target, archived=archived)
                self._files[target] = self._files.pop(old)
            return session

    def let_go(self, ident: str) -> None:
        """Forget a session whose file is gone."""
        with self.lock:
            session = self._sessions.pop(ident)
            session.close()
            self._files.pop(session.path, None)
            self.index.remove(ident)

    def _look(self) -> None:
        """Take up files that appeared, let go of those that are gone."""
        places = (self.main, self.archives)
        present = {path for place in places for path in place.glob("*.jsonl") if is_regular(path)}
        for path in self._files.keys() - present:
            self._sessions.pop(self._files.pop(path)).close()
        names = {path.name for path in present}
        for name in self.unreadable.keys() - names:
            del self.unreadable[name]
        for path in sorted(present - self._files.keys()):
            self._take_up(path)

    def _take_up(self, path: Path) -> None:
        with path.open("rb") as source:
            header = entries.parse_record(source.readline(MAX_HEADER))
        reason = self._refusal(header)
        if reason:
            if self.unreadable.get(path.name) != reason:
                _log.warning("left a file alone", file=path.name, reason=reason)
            self.unreadable[path.name] = reason
        elif header is not None:
            self.unreadable.pop(path.name, None)
            self._adopt(path, header)

    def _refusal(self, header: dict[str, Any] | None) -> str:
        if header is None or header.get("type") != "session":
            return "the first line is no session header"
        if header.get("version") != entries.VERSION:
            return f"its version is {header.get('version')}, not {entries.VERSION}"
        ident = header.get("id")
        if not isinstance(ident, str) or not _ID.fullmatch(ident):
            return "its header has no id that can be asked for"
        return f"another file has its id {ident}" if ident in self._sessions else ""

    def _adopt(self, path: Path, header: dict[str, Any]) -> SessionFile:
        session = SessionFile(path, header, self.torn, self.index)
        session.archived = path.parent == self.archives
        self._sessions[session.id] = session
        self._files[path] = session.id
        own = header.get("meso")
        if isinstance(own, dict) and isinstance(own.get("key"), str):
            self._create_keys[own["key"]] = session.id
        return session


def _sole_writer(place: Path) -> int:
    path = place / ".writer"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise MesoError(
            "session.store_in_use",
            f"another session manager writes to {place}",
            status=503,
            hint="stop it first; two writers would tear the files",
        ) from None
    return handle


def not_found(ident: str) -> MesoError:
    """There is no such session."""
    return MesoError(
        "session.not_found",
        f"there is no session {ident}",
        status=404,
        hint="GET /v1/sessions lists them",
    )
