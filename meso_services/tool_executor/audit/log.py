"""Writes the audit: each record is in the file before its call goes on.

A record is handed to the kernel at once, so a crash of the service loses none. The disk has it
when `flushed` returns; who does not wait has it there within `FLUSH_SECONDS`. Many waiters share
one flush. The head file follows: it names only records that the disk has, and is brought to the
disk itself a little later, for nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from meso_services.contract.tools_audit import AuditKind, AuditRecord, record_hash
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log
from meso_services.tool_executor.audit.chain import (
    HEAD,
    BrokenError,
    Head,
    checked,
    lines,
    read_head,
    segments,
)

FLUSH_SECONDS = 0.05
_NOTE_SECONDS = 60.0
_log = Log("meso.audit")


class Audit:
    """The one writer of a directory. Not for several threads."""

    def __init__(self, directory: Path, segment_bytes: int, keep_bytes: int) -> None:
        """Open the audit and repair its end. Raises MesoError if it cannot be written."""
        self.directory = directory
        self._segment_bytes, self._keep_bytes = segment_bytes, keep_bytes
        self.problem = ""
        self._flushing: asyncio.Task[None] | None = None
        self._dirty = self._head_dirty = False
        self._syncing = asyncio.Lock()
        self._noted_at = 0.0
        try:
            durable.make_directories(directory)
            torn = self._open()
        except OSError as error:
            raise storage_error(error, directory) from None
        if torn:
            self.record("torn", data={"kept_as": torn})
        self.record("start", data=self._lost())

    def _open(self) -> str:
        """Find the end. Returns the name under which a torn last line was kept, or nothing."""
        found = segments(self.directory)
        self._head, torn = Head(), ""
        path = found[-1] if found else self.directory / _name(1)
        if found:
            torn = _cut_torn_line(path)
            self._head = self._last(path)
        self._path = path
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        head_flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._noted = read_head(self.directory)
        self._head_file = os.open(self.directory / HEAD, head_flags, 0o600)
        durable.flush_directory(self.directory)
        return torn

    def _last(self, path: Path) -> Head:
        """The newest record. A damaged file is gone on with, and its damage stays visible."""
        head = Head(int(path.stem) - 1, "")
        for line in lines(path):
            try:
                if not head.hash:
                    record = AuditRecord.model_validate_json(line)
                    head = Head(record.seq - 1, record.prev)
                record = checked(line, head, path.name)
                head = Head(record.seq, record.hash)
            except (BrokenError, ValueError) as broken:
                self.problem = f"the audit is damaged: {path.name}: {broken}"
                with contextlib.suppress(ValueError):
                    raw = AuditRecord.model_validate_json(line)
                    head = Head(raw.seq, raw.hash)
        return head if head.hash else Head()

    def _lost(self) -> dict[str, Any]:
        """The head file knows of records that are gone: say so in the chain itself."""
        if self._noted is not None and self._noted.seq > self._head.seq:
            self.problem = f"the audit lost its records from {self._head.seq + 1} on"
            return {"lost": self._head.seq + 1, "noted": self._noted.seq}
        return {}

    @property
    def head(self) -> Head:
        return self._head

    # Each key of a record, named by the caller.
    def record(  # noqa: PLR0913
        self,
        kind: AuditKind,
        *,
        call_id: str = "",
        uid: int | None = None,
        session: str = "",
        branch: str = "",
        tool: str = "",
        data: dict[str, Any] | None = None,
    ) -> int:
        """Append a record; return its number. Raises `storage.*`, and then nothing was added."""
        if os.fstat(self._file).st_size > self._segment_bytes and kind != "rotate":
            self._rotate()
        raw: dict[str, Any] = {
            **{"seq": self._head.seq + 1, "time": _now(), "kind": kind, "call_id": call_id},
            **{"uid": uid, "session": session, "branch": branch, "tool": tool},
            **{"data": data or {}, "prev": self._head.hash},
        }
        raw["hash"] = record_hash(raw)
        self._append(json.dumps(raw, ensure_ascii=False).encode() + b"\n")
        self._head = Head(raw["seq"], raw["hash"])
        self._later()
        return self._head.seq

    def _append(self, line: bytes) -> None:
        start = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(28, "no space left")
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, start)
            self.problem = f"the audit cannot be written: {error.strerror}"
            raise storage_error(error, self._path) from None
        if self.problem.startswith("the audit cannot"):
            self.problem = ""

    def _rotate(self) -> None:
        """Begin another file. The oldest go when all together are too large; the chain says so."""
        try:
            os.fsync(self._file)
            dropped = self._drop()
            path = self.directory / _name(self._head.seq + 1)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            made = os.open(path, flags, 0o600)
            durable.flush_directory(self.directory)
        except OSError as error:
            raise storage_error(error, self.directory) from None
        os.close(self._file)
        self._file, before, self._path = made, self._path, path
        self.record("rotate", data={"after": before.name, "dropped": dropped})
        for old in segments(self.directory):
            if int(old.stem) <= dropped:
                durable.remove(old)

    def _drop(self) -> int:
        """Up to which record the oldest files are to go, so that the rest is small enough."""
        found = segments(self.directory)
        sizes = [path.stat().st_size for path in found]
        dropped = int(found[0].stem) - 1 if found else 0
        while len(found) > 1 and sum(sizes) > self._keep_bytes:
            found, sizes = found[1:], sizes[1:]
            dropped = int(found[0].stem) - 1
        return dropped

    def _later(self) -> None:
        """Bring the record to the disk soon; at once where no loop runs yet that could."""
        self._dirty = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._flush_now()
            return
        if self._flushing is None or self._flushing.done():
            self._flushing = loop.create_task(self._flush_later())

    def _flush_now(self) -> None:
        try:
            self._sync(self._head)
        except OSError as error:
            self.problem = f"the audit cannot be written: {error.strerror}"
            raise storage_error(error, self.directory) from None
        self._dirty = False

    async def flushed(self) -> None:
        """Return when the disk has every record so far. Raises `storage.*`."""
        seq = self._head.seq
        async with self._syncing:
            # Whoever came first has perhaps brought this record along.
            if self._noted is None or self._noted.seq < seq:
                await self._flush()

    async def _flush_later(self) -> None:
        # Again, because records may come while one flush is under way.
        while self._dirty or self._head_dirty:
            await asyncio.sleep(FLUSH_SECONDS)
            async with self._syncing:
                try:
                    if self._dirty:
                        await self._flush()
                    self._head_dirty = False
                    await asyncio.to_thread(os.fdatasync, self._head_file)
                except (MesoError, OSError) as error:
                    _log.warning("the audit is not on the disk", error=str(error))
                    return

    async def _flush(self) -> None:
        head, self._dirty = self._head, False
        try:
            await asyncio.to_thread(self._sync, head)
        except OSError as error:
            self._dirty = True
            self.problem = f"the audit cannot be written: {error.strerror}"
            raise storage_error(error, self.directory) from None
        if time.monotonic() - self._noted_at > _NOTE_SECONDS:
            # The journal belongs to somebody else: a witness of the chain's head.
            self._noted_at = time.monotonic()
            _log.info("audit head", seq=head.seq, hash=head.hash)

    def _sync(self, head: Head) -> None:
        os.fdatasync(self._file)
        os.pwrite(self._head_file, head.line(), 0)
        self._noted, self._head_dirty = head, True

    def close(self) -> None:
        """Bring the last records to the disk."""
        with contextlib.suppress(OSError):
            self._sync(self._head)
            os.fdatasync(self._head_file)
        os.close(self._file)
        os.close(self._head_file)


def _cut_torn_line(path: Path) -> str:
    """Move what stands behind the last line feed into a file of its own; return its name."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end == len(data):
        return ""
    name = f"torn-{secrets.token_hex(4)}"
    durable.write(path.parent / name, data[end:], mode=0o600)
    durable.truncate(path, end)
    return name


def _name(seq: int) -> str:
    return f"{seq:016d}.jsonl"


def _now() -> str:
    now = datetime.datetime.now(datetime.UTC)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unusable(problem: str) -> MesoError:
    """Nothing runs without an audit."""
    return MesoError(
        "tools.no_audit",
        f"{problem}; nothing is run without an audit",
        status=503,
        hint="the journal of this unit and `meso audit verify` say more",
    )
