"""Memory as a whole: what a checkpoint keeps of it, and how it is brought back in two phases.

A restore is prepared below `.restore/TOKEN` and changes nothing. A commit first says durably that
it has begun, so after a crash it is finished and never half done. What gives way is moved, not
removed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from meso_services.contract.snapshots import (
    FileBytes,
    MemoryFile,
    MemorySnapshot,
    Prepared,
    PrepareRestore,
    ReadFile,
    RestoreState,
)
from meso_services.memory_manager.files import MemoryFiles, whereabouts
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

PENDING, KEPT = ".restore", ".restored"
PLAN, BEGUN = "plan.json", "begun"


class Restoring:
    """Snapshots and restores of the memories below one directory.

    The caller makes sure that nobody writes memories during `commit`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Hashes of what was purged, which does not come back; the store says them.
        self.purged: Callable[[], frozenset[str]] = frozenset
        for token in self._begun():
            self._finish(token)

    def snapshot(self) -> MemorySnapshot:
        """Every memory by path, size and hash."""
        files = tuple(sorted(self._files(), key=lambda file: file.path))
        lines = "".join(f"{file.path}\0{file.hash}\n" for file in files)
        return MemorySnapshot(hash=hashlib.sha256(lines.encode()).hexdigest(), files=files)

    def read(self, wanted: ReadFile) -> FileBytes:
        """A file's bytes. Raises `memory.changed`."""
        raw = self._bytes(self._directory / wanted.path)
        if raw is None or hashlib.sha256(raw).hexdigest() != wanted.hash:
            raise MesoError(
                "memory.changed", f"{wanted.path} is not what it was", status=409, hint="ask again"
            )
        return FileBytes(hash=wanted.hash, data=base64.b64encode(raw).decode())

    def prepare(self, wanted: PrepareRestore) -> Prepared:
        """Keep what is wanted; say what is missing. Raises `memory.bad_restore`, `storage.*`."""
        if len({file.path for file in wanted.files}) != len(wanted.files):
            raise MesoError("memory.bad_restore", "a path is named twice", status=422)
        gone = self.purged()
        kept = tuple(file for file in wanted.files if file.hash not in gone)
        wanted = wanted.model_copy(update={"files": kept})
        place = self._directory / PENDING / wanted.token
        try:
            durable.make_directories(place / "blobs")
            if (place / BEGUN).exists():
                raise MesoError("memory.bad_restore", "this restore was committed", status=409)
            durable.write(place / PLAN, wanted.model_dump_json().encode())
        except OSError as problem:
            raise storage_error(problem, place) from problem
        return self.prepared(wanted.token)

    def put(self, token: str, given: FileBytes) -> Prepared:
        """Take in the bytes of a file. Raises `memory.bad_restore`, `memory.no_restore`."""
        self._plan(token)
        try:
            raw = base64.b64decode(given.data, validate=True)
        except binascii.Error as problem:
            raise MesoError("memory.bad_restore", str(problem), status=422) from problem
        if hashlib.sha256(raw).hexdigest() != given.hash:
            raise MesoError("memory.bad_restore", "the bytes do not have this hash", status=422)
        try:
            durable.write(self._blob(token, given.hash), raw)
        except OSError as problem:
            raise storage_error(problem, self._blob(token, given.hash)) from problem
        return self.prepared(token)

    def prepared(self, token: str) -> Prepared:
        """What a commit would do now."""
        plan = self._plan(token)
        now = {file.path: file.hash for file in self._files()}
        wanted = {file.path: file.hash for file in plan.files}
        hashes = set(now.values())
        missing = sorted(
            {h for p, h in wanted.items()
             if (plan.mode == "checkpoint" or now.keys().isdisjoint(whereabouts(p)))
             and h not in hashes and not self._blob(token, h).exists()}
        )  # fmt: skip
        gone = now.keys() - wanted.keys() if plan.mode == "checkpoint" else set()
        replaced = [p for p, h in wanted.items() if p in now and now[p] != h]
        return Prepared(
            token=token,
            missing=tuple(missing),
            add=sum((plan.mode == "checkpoint" and p not in now)
                    or now.keys().isdisjoint(whereabouts(p)) for p in wanted),
            replace=len(replaced) if plan.mode == "checkpoint" else 0,
            remove=len(gone),
        )  # fmt: skip

    def commit(self, token: str) -> RestoreState:
        """Do it. Asked again it says the same. Raises `memory.no_restore`, `memory.incomplete`."""
        place = self._directory / PENDING / token
        if not place.exists() and (self._directory / KEPT / token).exists():
            return RestoreState(token=token, state="committed", kept_as=f"{KEPT}/{token}")
        if self.prepared(token).missing:
            raise MesoError("memory.incomplete", "bytes of files are missing", status=409)
        try:
            self._gather(token)
            durable.write(place / BEGUN, b"")
            self._finish(token)
        except OSError as problem:
            raise storage_error(problem, place) from problem
        return RestoreState(token=token, state="committed", kept_as=f"{KEPT}/{token}")

    def abort(self, token: str) -> RestoreState:
        """Forget it. Raises `memory.bad_restore` if it was committed."""
        place = self._directory / PENDING / token
        if (place / BEGUN).exists() or (self._directory / KEPT / token).exists():
            raise MesoError("memory.bad_restore", "this restore was committed", status=409)
        shutil.rmtree(place, ignore_errors=True)
        return RestoreState(token=token, state="aborted")

    def _gather(self, token: str) -> None:
        """Copy what other memories of now hold: they may be replaced before it is their turn."""
        now = {file.hash: file.path for file in self._files()}
        for file in self._plan(token).files:
            blob = self._blob(token, file.hash)
            if not blob.exists() and file.hash in now:
                raw = self._bytes(self._directory / now[file.hash])
                if raw is None or hashlib.sha256(raw).hexdigest() != file.hash:
                    raise MesoError("memory.changed", f"{file.path} changed meanwhile", status=409)
                durable.write(blob, raw)

    def _finish(self, token: str) -> None:
        """Each step may be done again."""
        plan = self._plan(token)
        kept = self._directory / KEPT / token
        durable.make_directories(kept)
        now = {file.path: file.hash for file in self._files()}
        wanted = {file.path: file.hash for file in plan.files}
        for path, digest in now.items():
            # A merge only adds: where both have a memory, the one of now stays.
            if plan.mode == "checkpoint" and wanted.get(path) != digest:
                self._move(path, kept)
        for path, digest in wanted.items():
            target = self._directory / path
            elsewhere = plan.mode == "merge" and not now.keys().isdisjoint(whereabouts(path))
            if not target.exists() and not elsewhere:
                durable.make_directories(target.parent)
                durable.write(target, self._blob(token, digest).read_bytes())
        shutil.rmtree(self._directory / PENDING / token, ignore_errors=True)

    def _move(self, path: str, kept: Path) -> None:
        target = kept / path
        durable.make_directories(target.parent)
        durable.move(self._directory / path, target)

    def _files(self) -> Iterator[MemoryFile]:
        for path, _ in MemoryFiles(self._directory, 0).scan():
            raw = self._bytes(self._directory / path)
            if raw is None:
                continue
            try:
                yield MemoryFile(path=path, size=len(raw), hash=hashlib.sha256(raw).hexdigest())
            except ValidationError:
                # A name that no checkpoint on another machine could have.
                continue

    def _bytes(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes() if not path.is_symlink() else None
        except OSError:
            return None

    def _plan(self, token: str) -> PrepareRestore:
        try:
            raw = (self._directory / PENDING / token / PLAN).read_bytes()
            return PrepareRestore.model_validate(json.loads(raw))
        except (OSError, ValueError) as problem:
            raise MesoError(
                "memory.no_restore", f"no restore {token} is prepared", status=404
            ) from problem

    def _blob(self, token: str, digest: str) -> Path:
        return self._directory / PENDING / token / "blobs" / digest

    def _begun(self) -> list[str]:
        place = self._directory / PENDING
        found = place.iterdir() if place.is_dir() else ()
        return sorted(one.name for one in found if (one / BEGUN).exists())
