"""Signed metadata of a registry: TUF's four roles over a directory of static files.

Everything is written so that a client may come at any moment: operons first, then the
versioned metadata, and `timestamp.json`, which makes them count, last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from tuf.api._payload import MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata
from tuf.api.serialization.json import JSONSerializer

from meso_host.errors import HostError
from meso_host.registry.keys import ROLES, Keys
from meso_services.runtime import durable

DAYS = {"root": 365, "targets": 90, "snapshot": 90, "timestamp": 7}
T = TypeVar("T", Root, Targets, Snapshot, Timestamp)


@dataclass(frozen=True)
class Repository:
    """A registry's directory and its owner's keys. `days`: how long a role's signature counts."""

    directory: Path
    keys: Keys
    days: Mapping[str, int]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def metadata(self) -> Path:
        """Where the metadata lies."""
        return self.directory / "metadata"

    def create(self) -> None:
        """Make an empty registry, with fresh keys. Raises HostError where there is one."""
        if self.metadata.exists():
            raise HostError(
                "registry.exists",
                f"{self.directory} holds a registry already.",
                remedy="Leave out `--new` to publish there.",
            )
        self.keys.create()
        self.metadata.mkdir(parents=True)
        (self.directory / "targets").mkdir()
        root = Root(consistent_snapshot=True, expires=self._expiry("root"))
        for role in ROLES:
            root.add_key(self.keys.signer(role).public_key, role)
        self._write("1.root.json", self._signed(root, "root"))
        self.release(Targets())

    def root(self) -> Root:
        """The newest root."""
        return self._read(Root, self._newest("root"))

    def root_sha256(self) -> str:
        """What an operator pins: the SHA-256 of the first root metadata."""
        return hashlib.sha256((self.metadata / "1.root.json").read_bytes()).hexdigest()

    def targets(self) -> Targets:
        """The targets as they were published last. Raises HostError."""
        return self._read(Targets, self._newest("targets"))

    def put(self, path: str, raw: bytes, custom: Mapping[str, Any]) -> TargetFile:
        """Write an operon's file; it counts when its targets are released."""
        target = TargetFile.from_data(path, raw, ["sha256"])
        target.unrecognized_fields["custom"] = dict(custom)
        folder, _, name = path.rpartition("/")
        place = self.directory / "targets" / folder
        durable.make_directories(place, below=self.directory, mode=0o755)
        durable.write(place / f"{target.hashes['sha256']}.{name}", raw, mode=0o644)
        return target

    def release(self, targets: Targets) -> None:
        """Sign targets, snapshot and timestamp, and make them count."""
        targets.version = self._next("targets")
        targets.expires = self._expiry("targets")
        self._write(f"{targets.version}.targets.json", self._signed(targets, "targets"))
        self.refresh(targets.version)

    def refresh(self, targets_version: int | None = None) -> None:
        """Sign snapshot and timestamp again, before they expire."""
        version = targets_version or self.targets().version
        meta = {"targets.json": MetaFile(version=version)}
        expires = self._expiry("snapshot")
        snapshot = Snapshot(version=self._next("snapshot"), meta=meta, expires=expires)
        raw = self._signed(snapshot, "snapshot")
        self._write(f"{snapshot.version}.snapshot.json", raw)
        timestamp = Timestamp(
            version=self._next_timestamp(),
            snapshot_meta=MetaFile.from_data(snapshot.version, raw, ["sha256"]),
            expires=self._expiry("timestamp"),
        )
        self._write("timestamp.json", self._signed(timestamp, "timestamp"))

    def rotate(self, role: str) -> None:
        """Replace a role's key by a new one, and sign everything that it signed again."""
        root = self.root()
        old, new = self.keys.rotate(role)
        root.revoke_key(old.public_key.keyid, role)
        root.add_key(new.public_key, role)
        root.version += 1
        root.expires = self._expiry("root")
        signed = Metadata(root)
        signed.sign(self.keys.signer("root"))
        if role == "root":
            signed.sign(old, append=True)
        self._write(f"{root.version}.root.json", signed.to_bytes(JSONSerializer()))
        self.release(self.targets())

    def _next_timestamp(self) -> int:
        path = self.metadata / "timestamp.json"
        return 1 + self._read(Timestamp, path).version if path.exists() else 1

    def _next(self, role: str) -> int:
        return max(self._numbers(role), default=0) + 1

    def _numbers(self, role: str) -> list[int]:
        names = [path.name.partition(".")[0] for path in self.metadata.glob(f"*.{role}.json")]
        return [int(name) for name in names if name.isdecimal()]

    def _signed(self, payload: T, role: str) -> bytes:
        metadata = Metadata(payload)
        metadata.sign(self.keys.signer(role))
        return metadata.to_bytes(JSONSerializer())

    def _expiry(self, role: str) -> datetime:
        whole = self.now().replace(microsecond=0)
        return whole + timedelta(days=self.days.get(role, DAYS[role]))

    def _newest(self, role: str) -> Path:
        if not (numbers := self._numbers(role)):
            raise HostError(
                "registry.none",
                f"{self.directory} holds no registry.",
                remedy="`meso operon publish --new` makes one.",
            )
        return self.metadata / f"{max(numbers)}.{role}.json"

    def _read(self, kind: type[T], path: Path) -> T:
        try:
            metadata: Metadata[T] = Metadata.from_bytes(path.read_bytes())
        except (OSError, RepositoryError) as error:
            raise _damaged(path, str(error)) from None
        if not isinstance(metadata.signed, kind):
            raise _damaged(path, f"is no {kind.type}")
        return metadata.signed

    def _write(self, name: str, raw: bytes) -> None:
        durable.write(self.metadata / name, raw, mode=0o644)


def _damaged(path: Path, why: str) -> HostError:
    return HostError(
        "registry.damaged", f"{path}: {why}", remedy="Restore the registry's directory."
    )
