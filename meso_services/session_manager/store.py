"""All sessions: one directory of files, one process that writes to it."""

from __future__ import annotations

import fcntl
import os
import re
import threading
import uuid
from pathlib import Path
from typing import Any

from meso_services.contract.session import CreateSession, SessionPage
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log
from meso_services.session_manager import entries
from meso_services.session_manager.file import SessionFile, is_regular

MAX_HEADER = 64 * 1024
_ID = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_log = Log("meso.sessions")


class SessionStore:
    """The sessions below `place` (`/meso/sessions`).

    The files in `main/` are the truth; what is held in memory is derived from them. Methods may
    be called from any thread. Only one process may hold a store: another raises
    `session.store_in_use`.
    """

    def __init__(self, place: Path, workspaces: Path) -> None:
        self.place = place
        self.main = place / "main"
        self.torn = place / "torn"
        self._workspaces = workspaces
        self._lock = threading.Lock()
        self._sessions: dict[str, SessionFile] = {}
        self._files: dict[str, str] = {}
        self._create_keys: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        try:
            durable.make_directories(self.main)
            self._writer = _sole_writer(place)
        except OSError as problem:
            raise storage_error(problem, place) from problem
        self._look()

    def close(self) -> None:
        """Let another process write."""
        os.close(self._writer)

    def create(self, wanted: CreateSession, key: str | None) -> tuple[SessionFile, bool]:
        """Make a session; return it and whether the same `key` had made it before."""
        if wanted.parent_session:
            self.get(wanted.parent_session)
        with self._lock:
            if key is not None and self._create_keys.get(key) in self._sessions:
                return self._sessions[self._create_keys[key]], True
            header, lines = self._beginning(wanted, key)
            stamp = header["timestamp"].replace(":", "-").replace(".", "-")
            path = self.main / f"{stamp}_{header['id']}.jsonl"
            try:
                durable.write(path, lines, replace=False)
            except OSError as problem:
                raise storage_error(problem, path) from problem
            return self._adopt(path, header), False

    def _beginning(self, wanted: CreateSession, key: str | None) -> tuple[dict[str, Any], bytes]:
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
        lines = entries.encode(header)
        if wanted.name is not None:
            named = entries.named(wanted.name, header["timestamp"])
            lines += entries.entry_line(named)
        return header, lines

    def get(self, ident: str) -> SessionFile:
        """The session `ident`. Raises `session.not_found`."""
        with self._lock:
            if ident not in self._sessions:
                self._look()
            if ident not in self._sessions:
                raise not_found(ident)
            return self._sessions[ident]

    def page(self, after: str | None, limit: int) -> SessionPage:
        """Up to `limit` sessions after the session `after`, oldest first."""
        with self._lock:
            self._look()
            order = [self._files[name] for name in sorted(self._files)]
            if after is not None and after not in self._sessions:
                raise not_found(after)
            first = order.index(after) + 1 if after is not None else 0
            chosen = [self._sessions[ident] for ident in order[first : first + limit]]
        more = first + limit < len(order)
        described = tuple(session.describe() for session in chosen)
        return SessionPage(sessions=described, next=chosen[-1].id if more and chosen else None)

    def _look(self) -> None:
        """Take up files that appeared, let go of those that are gone."""
        present = {path.name: path for path in self.main.glob("*.jsonl") if is_regular(path)}
        for name in self._files.keys() - present.keys():
            self._sessions.pop(self._files.pop(name))
        for name in self.unreadable.keys() - present.keys():
            del self.unreadable[name]
        for name in sorted(present.keys() - self._files.keys()):
            self._take_up(present[name])

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
        session = SessionFile(path, header, self.torn)
        self._sessions[session.id] = session
        self._files[path.name] = session.id
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
