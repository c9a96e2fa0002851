"""Checkpoints on disk: one compressed JSON file each, and the bytes of memory, each kept once."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from meso_services.contract.checkpoints import (
    Checkpoint,
    CheckpointDeleted,
    CheckpointRow,
    Checkpoints,
    PurgedMemory,
)
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

ENDING = ".json.gz"
MOST_BYTES = 64 << 20
MOST_BLOB = 8 << 20


class Shelf:
    """The checkpoints below `place` (`/meso/checkpoints`). For any number of threads."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.lock = threading.RLock()
        self._blobs = place / "memory"
        self._rows: dict[str, tuple[int, CheckpointRow]] = {}
        durable.make_directories(place)
        self._tombs = place / "purged"
        self.purged = _tombs(self._tombs)

    def keep(self, made: Checkpoint) -> Checkpoint:
        """Write a checkpoint, with its hash. Raises `storage.*`."""
        whole = made.model_copy(update={"hash": hash_of(made)})
        path = self._path(made.checkpoint_id)
        try:
            durable.write(path, gzip.compress(whole.model_dump_json().encode(), mtime=0))
        except OSError as problem:
            raise storage_error(problem, path) from problem
        return whole

    def get(self, ident: str) -> Checkpoint:
        """One checkpoint. Raises `checkpoint.not_found`, `checkpoint.damaged`."""
        path = self._path(ident)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            raise MesoError(
                "checkpoint.not_found",
                f"there is no checkpoint {ident}",
                status=404,
                hint="GET /v1/checkpoints lists them",
            ) from None
        return parsed(raw, path.name)

    def rows(self, session: str | None = None) -> Checkpoints:
        """All checkpoints, oldest first, and files that are none."""
        rows, unreadable = [], []
        with self.lock:
            for path in self.place.glob(f"*{ENDING}"):
                try:
                    rows.append(self._row(path))
                except (MesoError, OSError):
                    unreadable.append(path.name)
        chosen = [row for row in rows if session in (None, row.session_id)]
        return Checkpoints(
            checkpoints=tuple(sorted(chosen, key=lambda r: (r.timestamp, r.checkpoint_id))),
            unreadable=tuple(sorted(unreadable)),
        )

    def delete(self, ident: str) -> CheckpointDeleted:
        """Remove a checkpoint and what only it needed. Raises `checkpoint.not_found`."""
        with self.lock:
            path = self._path(ident)
            if not path.exists():
                self.get(ident)
            freed = path.stat().st_size
            durable.remove(path)
            self._rows.pop(path.name, None)
            return CheckpointDeleted(checkpoint=ident, freed_bytes=freed + self.sweep())

    def retire(self, most: int) -> list[str]:
        """Remove the oldest checkpoints that have no name, but for the newest `most`."""
        nameless = [c for c in self.rows().checkpoints if not c.checkpoint_name]
        gone = [row.checkpoint_id for row in nameless[: max(0, len(nameless) - most)]]
        for ident in gone:
            self.delete(ident)
        return gone

    def has(self, digest: str) -> bool:
        """True if these bytes are kept."""
        return self._blob(digest).exists()

    def purge(self, hashes: Iterable[str]) -> PurgedMemory:
        """Remove bytes for good: no checkpoint holds them, and none takes them in again."""
        with self.lock:
            gone = frozenset(hashes)
            if gone - self.purged:
                self.purged |= gone
                lines = "".join(f"{digest}\n" for digest in sorted(self.purged))
                try:
                    durable.write(self._tombs, lines.encode())
                except OSError as problem:
                    raise storage_error(problem, self._tombs) from problem
            there = [path for path in map(self._blob, sorted(gone)) if path.exists()]
            for path in there:
                durable.remove(path)
            listing = 0
            for row in self.rows().checkpoints:
                memory = self.get(row.checkpoint_id).memory_snapshot
                listing += any(file.hash in gone for file in (memory.files if memory else ()))
            return PurgedMemory(removed=len(there), checkpoints=listing)

    def put(self, raw: bytes) -> str:
        """Keep bytes, unless they were purged; return their hash. Raises `storage.*`."""
        digest = hashlib.sha256(raw).hexdigest()
        path = self._blob(digest)
        if digest not in self.purged and not path.exists():
            try:
                durable.make_directories(path.parent)
                durable.write(path, gzip.compress(raw, mtime=0))
            except OSError as problem:
                raise storage_error(problem, path) from problem
        return digest

    def bytes(self, digest: str) -> bytes:
        """Bytes that are kept. Raises `checkpoint.damaged`."""
        try:
            raw = unpacked(self._blob(digest).read_bytes(), MOST_BLOB)
        except (OSError, EOFError, zlib.error) as problem:
            raise damaged(digest, "bytes of its memory are missing") from problem
        if hashlib.sha256(raw).hexdigest() != digest:
            raise damaged(digest, "bytes of its memory are not what they were")
        return raw

    def sweep(self) -> int:
        """Remove bytes that no checkpoint needs; return how many. Nothing goes while one of the
        checkpoints cannot be read: it might need them.
        """
        with self.lock:
            if self.rows().unreadable:
                return 0
            needed = set(self._needed())
            freed = 0
            for path in self._blobs.glob("??/*.gz"):
                if path.name.removesuffix(".gz") not in needed:
                    freed += path.stat().st_size
                    durable.remove(path)
            return freed

    def _needed(self) -> Iterator[str]:
        for row in self.rows().checkpoints:
            memory = self.get(row.checkpoint_id).memory_snapshot
            yield from (file.hash for file in memory.files) if memory else ()

    def _row(self, path: Path) -> CheckpointRow:
        status = path.stat()
        known = self._rows.get(path.name)
        if known and known[0] == status.st_mtime_ns:
            return known[1]
        found = parsed(path.read_bytes(), path.name)
        row = CheckpointRow(
            checkpoint_id=found.checkpoint_id,
            checkpoint_name=found.checkpoint_name,
            timestamp=found.timestamp,
            session_id=found.session.session_id,
            branch_name=found.session.branch_name,
            message_count=found.session.message_count,
            operator_note=found.operator_note,
            size_bytes=status.st_size,
        )
        self._rows[path.name] = (status.st_mtime_ns, row)
        return row

    def _path(self, ident: str) -> Path:
        return self.place / f"{ident}{ENDING}"

    def _blob(self, digest: str) -> Path:
        return self._blobs / digest[:2] / f"{digest}.gz"


def _tombs(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text().split())
    except FileNotFoundError:
        return frozenset()


def parsed(raw: bytes, name: str) -> Checkpoint:
    """A checkpoint from its file. Raises `checkpoint.damaged`."""
    try:
        found = Checkpoint.model_validate(json.loads(unpacked(raw, MOST_BYTES)))
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as problem:
        about = "it is no checkpoint" if isinstance(problem, ValidationError) else str(problem)
        raise damaged(name, about) from problem
    if found.hash != hash_of(found):
        raise damaged(name, "its hash does not match")
    return found


def hash_of(made: Checkpoint) -> str:
    """Over everything in the checkpoint but the hash."""
    content: dict[str, Any] = made.model_dump(mode="json", exclude={"hash"})
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def unpacked(raw: bytes, most: int) -> bytes:
    """What was compressed, if it is no larger than `most`. Raises OSError, EOFError, zlib.error."""
    machine = zlib.decompressobj(16 + zlib.MAX_WBITS)
    found = machine.decompress(raw, most + 1)
    if len(found) > most:
        raise OSError(27, f"it unpacks to more than {most} bytes")
    if not machine.eof:
        raise EOFError("it is cut off")
    return found


def damaged(name: str, reason: str) -> MesoError:
    """A checkpoint that cannot be trusted."""
    return MesoError(
        "checkpoint.damaged",
        f"checkpoint {name}: {reason}",
        status=409,
        hint="restore another one, or import it again from where it was exported",
    )
