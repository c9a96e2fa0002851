"""A memory that is gone for good: from files, indexes, history, copies and checkpoints.

First it is written down durably what is to go (`.purge/ID.json`, without any of the text); a crash
in the middle is finished at the next start. The tombstone (the id and the hashes of every version)
stays in the memories' lives, so that no restore and no sync brings it back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meso_services.contract import memory as wire
from meso_services.contract.checkpoints import PurgedMemory, PurgeMemory
from meso_services.contract.client import CallError, Connection
from meso_services.files.strict_yaml import DocumentError
from meso_services.memory_manager import rewriting
from meso_services.memory_manager.files import entry_of, whereabouts
from meso_services.memory_manager.index import Index
from meso_services.memory_manager.journal import new_event
from meso_services.memory_manager.life import Event
from meso_services.memory_manager.restoring import KEPT, PENDING
from meso_services.memory_manager.store import Caller, MemoryStore
from meso_services.memory_manager.telling import iso
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log

PLANS, RECEIPTS = ".purge", ".receipts"
BACKUPS = (
    "the next backup holds it no more; older snapshots hold it until they expire or are forgotten "
    "with the backup's own program"
)
NOT_COVERED = (
    "what was said in sessions stays in their transcripts (`meso session delete`); exported "
    "checkpoints, other instances until their next sync, and copies made by hand"
)
_SHA256 = 64
_log = Log("meso.memory")


class Purging:
    """Purges memories, and finishes what a crash interrupted."""

    def __init__(self, store: MemoryStore, run: Path) -> None:
        self._store, self.run = store, run

    def finish(self) -> None:
        """At a start: do what was begun."""
        for plan in sorted((self._store.directory / PLANS).glob("*.json")):
            try:
                self._carry_out(json.loads(plan.read_bytes()), plan)
            except (MesoError, OSError, ValueError) as problem:
                _log.warning("a purge waits to be finished", plan=plan.name, reason=str(problem))

    def purge(self, name: str, caller: Caller) -> wire.Receipt:
        """Remove a memory everywhere. Raises `memory.not_found`, `memory.git_failed`, `storage.*`.

        Asked again it says the same.
        """
        store = self._store
        paths = store.paths_of(name)
        store.committer.flush()
        place = store.directory / PLANS / f"{name}.json"
        with store.committer.exclusive(), store.lock:
            plan = self._plan(name, paths, caller)
            try:
                durable.make_directories(place.parent)
                durable.write(place, json.dumps(plan).encode())
            except OSError as problem:
                raise storage_error(problem, place) from problem
            return self._carry_out(plan, place)

    def take(self, told: Event, caller: Caller) -> None:
        """Another instance purged it: so does this one. The locks are held."""
        store, name = self._store, told.memory
        words = told.about.split()
        paths = {place for path in (told.path,) if path for place in whereabouts(path)}
        with contextlib.suppress(MesoError):
            paths |= set(store.paths_of(name))
        plan: dict[str, Any] = {"id": name, "by": caller.source, "paths": [], "blobs": [],
                                "hashes": []}  # fmt: skip
        if paths:
            plan = self._plan(name, sorted(paths), caller)
        plan["time"] = told.time
        plan["hashes"] = sorted({*plan["hashes"], *(w for w in words if len(w) == 64)})
        plan["blobs"] = sorted({*plan["blobs"], *(w for w in words if len(w) == 40)})
        place = store.directory / PLANS / f"{name}.json"
        durable.make_directories(place.parent)
        durable.write(place, json.dumps(plan).encode())
        self._carry_out(plan, place)

    def _plan(self, name: str, paths: list[str], caller: Caller) -> dict[str, Any]:
        store = self._store
        here = [path for path in paths if (e := store.read(path)) and e.id == name]
        contents = [(store.directory / path).read_bytes() for path in here]
        repository = store.committer.repository
        repository.make()
        blobs = {digest: raw for digest, raw in repository.blobs(
            sorted(rewriting.versions(repository, paths))).items() if _is(name, paths[0], raw)
        }  # fmt: skip
        hashes = {hashlib.sha256(raw).hexdigest() for raw in (*contents, *blobs.values())}
        return {
            "id": name, "by": caller.source, "time": time.time(), "paths": here,
            "blobs": sorted(blobs), "hashes": sorted(hashes),
        }  # fmt: skip

    def _carry_out(self, plan: dict[str, Any], place: Path) -> wire.Receipt:
        """Each step may be done again. The tombstone comes first."""
        store, name = self._store, str(plan["id"])
        hashes = sorted({*plan["hashes"], *self._told(name)})
        with store.committer.exclusive(), store.lock:
            self._entomb(name, plan, hashes)
            for path in plan["paths"]:
                store.files.remove(path)
            store.index.change(lambda index: index.remove(plan["paths"]))
            copies = sum(self._remove(file) for file in self._copies(name, set(hashes)))
            store.committer.removed(plan["paths"], f"purge {name}", str(plan["by"]))
            commits = rewriting.rewrite(store.committer.repository, set(plan["blobs"]))
            store.purged()
        receipt = wire.Receipt(
            id=name, time=iso(float(plan["time"])), files=tuple(plan["paths"]),
            hashes=tuple(hashes), commits_rewritten=commits, kept_copies=copies,
            checkpoints=self._checkpoints(hashes), backups=BACKUPS, not_covered=NOT_COVERED,
        )  # fmt: skip
        receipts = store.directory / RECEIPTS
        durable.make_directories(receipts)
        durable.write(receipts / f"{name}.json", receipt.model_dump_json(indent=1).encode())
        durable.remove(place)
        return receipt

    def _entomb(self, name: str, plan: dict[str, Any], hashes: list[str]) -> None:
        store = self._store
        if set(self._told(name)) >= set(hashes) and hashes:
            return
        path = next(iter(plan["paths"]), "")
        event = new_event(float(plan["time"]), name, "purged", by=str(plan["by"]), path=path,
                          about=" ".join([*hashes, *plan["blobs"]]))  # fmt: skip
        now = time.time()

        def tell(index: Index) -> None:
            ended = [new_event(now, other, "reconciled", other=name)
                     for other in store.lives.contradicting(index, name)]  # fmt: skip
            store.lives.tell(index, [event, *ended])

        store.index.change(tell)
        store.journal.flush()

    def _told(self, name: str) -> list[str]:
        events = self._store.index.use(lambda index: self._store.lives.of(index, name))
        return [word for e in events if e.kind == "purged" for word in e.about.split()
                if len(word) == _SHA256]  # fmt: skip

    def _copies(self, name: str, hashes: set[str]) -> Iterator[Path]:
        """What restores put aside, or hold ready."""
        for file in (self._store.directory / KEPT).rglob("*.md"):
            with contextlib.suppress(OSError):
                raw = file.read_bytes()
                below = file.relative_to(self._store.directory / KEPT).parts[1:]
                if hashlib.sha256(raw).hexdigest() in hashes or _is(name, "/".join(below), raw):
                    yield file
        for file in (self._store.directory / PENDING).glob("*/blobs/*"):
            if file.name in hashes:
                yield file

    def _remove(self, file: Path) -> int:
        durable.remove(file)
        return 1

    def _checkpoints(self, hashes: list[str]) -> str:
        """The session manager keeps the bytes of checkpoints; it is asked to drop these."""
        try:
            with Connection("session-manager", self.run, patience=0) as connection:
                wanted = PurgeMemory(hashes=tuple(hashes))
                done = connection.put("/v1/checkpoints/purged", wanted, PurgedMemory)
        except CallError as problem:
            return (
                f"not reached ({problem}): `meso memory purge` again removes it there; a restore "
                "does not bring it back in any case"
            )
        return f"{done.removed} versions removed from {done.checkpoints} checkpoints"


def _is(name: str, path: str, raw: bytes) -> bool:
    try:
        return entry_of(path, raw).id == name
    except DocumentError:
        return True
