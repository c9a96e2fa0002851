"""Snapshots: a commit of every file of a workspace, and a workspace made what a commit says."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from meso_services.contract.workspaces import Snapshot
from meso_services.runtime import durable, process
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.tool_executor.shadow.git import SETTINGS, WHO, Repository, ref
from meso_services.tool_executor.shadow.tree import (
    MOST_FILES,
    Found,
    decoded,
    encoded,
    opened,
    scan,
    usable,
)

SECONDS = 600.0
# A file that changed so shortly before it was read may change again under the same time.
RACY_NS = 50_000_000
Known = dict[str, tuple[list[int], str]]


class Snapshots:
    """Snapshots of the branches of one session. The caller lets one thread in at a time."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def take(self, session: str, branch: str, place: Path, note: str) -> Snapshot:
        """Keep every file of a workspace as it is. Raises `workspace.*`, `storage.*`."""
        self.repository.make()
        left_out: list[str] = []
        began = time.time_ns()
        with _directory(place) as root:
            found = []
            for one in scan(root, left_out):
                found.append(one)
                if len(found) > MOST_FILES:
                    raise MesoError(
                        "workspace.too_large",
                        f"the workspace has more than {MOST_FILES} files",
                        status=507,
                        hint="delete what can be made again",
                    )
            known = self._known(branch)
            head = self.repository.head(branch)
            same = head is not None and len(known) == len(found) and all(
                known.get(_text(f.path), (None, ""))[0] == [f.mode, *f.stamp] for f in found
            )  # fmt: skip
            if same and head is not None:
                made, changed = head, False
            else:
                made = self._commit(
                    root, branch=branch, head=head, found=found, known=known, note=note,
                    began=began,
                )  # fmt: skip
                changed = True
                if head and self.repository.tree_of(made) == self.repository.tree_of(head):
                    # Files too young to be known by their times were read, and are the same.
                    self.repository.run("update-ref", ref(branch), head, made)
                    made, changed = head, False
        return Snapshot(
            session=session,
            branch=branch,
            snapshot=made,
            tree=self.repository.tree_of(made),
            changed=changed,
            files=len(found),
            left_out=tuple(left_out[:100]),
        )

    def restore(self, branch: str, place: Path, snapshot: str) -> None:
        """Make the files of a workspace what a snapshot says; equal ones are not touched."""
        files = self.repository.files(snapshot)
        if not all(usable(path, mode) for path, (mode, _) in files.items()):
            raise MesoError(
                "workspace.bad_bundle",
                f"snapshot {snapshot} holds what no workspace can",
                status=422,
                hint="it was not made by an appliance; do not restore it",
            )
        wanted = {decoded(path): about for path, about in files.items()}
        known = self._known(branch)
        with _directory(place) as root:
            left: list[str] = []
            present = {one.path: one for one in scan(root, left)}
            for path in sorted(present.keys() - wanted.keys(), reverse=True):
                _remove(root, path)
            for path, (mode, digest) in sorted(wanted.items()):
                one = present.get(path)
                if one is not None and one.mode == mode:
                    stamp, was = known.get(_text(path), ([], ""))
                    if was == digest and stamp == [one.mode, *one.stamp]:
                        continue
                self._write(root, path, mode, digest)
            _prune(root, {part for path in wanted for part in _parents(path)})

    def forget(self, branch: str) -> None:
        """What is known of the files' times holds no longer."""
        self._cache(branch).unlink(missing_ok=True)

    def _commit(  # noqa: PLR0913 (what a commit is made of)
        self,
        root: int,
        *,
        branch: str,
        head: str | None,
        found: list[Found],
        known: Known,
        note: str,
        began: int,
    ) -> str:
        stream, marks = self.repository.scratch(), self.repository.scratch()
        fresh: dict[int, Found] = {}
        try:
            with stream.open("wb") as out:
                rows = []
                for one in found:
                    stamp, digest = known.get(_text(one.path), ([], ""))
                    if stamp != [one.mode, *one.stamp]:
                        mark = len(fresh) + 1
                        raw = _bytes(root, one)
                        if raw is None:
                            continue
                        fresh[mark] = one
                        digest = f":{mark}"
                        out.write(b"blob\nmark %s\ndata %d\n" % (digest.encode(), len(raw)))
                        out.write(raw + b"\n")
                    mode = 0o100644 if stat.S_ISDIR(one.mode) else one.mode
                    rows.append((mode, digest, encoded(one.path), one))
                out.write(_head(branch, head, note))
                for mode, digest, path, _ in rows:
                    out.write(b"M %o %s %s\n" % (mode, digest.encode(), _quoted(path)))
                out.write(b"\n")
            self._import(stream, marks)
            made = self.repository.head(branch) or ""
            self._remember(branch, rows, marks, began)
        except OSError as problem:
            raise storage_error(problem, self.repository.place) from problem
        finally:
            stream.unlink(missing_ok=True)
            marks.unlink(missing_ok=True)
        return made

    def _import(self, stream: Path, marks: Path) -> None:
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        argv = ["git", *settings, "fast-import", "--quiet", "--force", f"--export-marks={marks}"]
        environment = {**dict.fromkeys(os.environ), **self.repository.environment()}
        with stream.open("rb") as source:
            child = process.start(argv, env=environment, stdin=source, stderr=-1)
            try:
                _, said = child.communicate(timeout=SECONDS)
            except BaseException:
                child.kill()
                child.wait()
                raise
        if child.returncode:
            text = (said or b"").decode(errors="replace")[-500:]
            if "No space left" in text:
                raise OSError(28, text)
            raise MesoError("workspace.git_failed", f"git fast-import failed: {text}", status=503)

    def _remember(
        self, branch: str, rows: list[tuple[int, str, bytes, Found]], marks: Path, began: int
    ) -> None:
        written = dict(line.split(" ", 1) for line in marks.read_text().splitlines())
        known = {}
        for _, digest, _, one in rows:
            calm = max(one.stamp[1], one.stamp[2]) < began - RACY_NS
            stamp = [one.mode, *one.stamp] if calm or stat.S_ISDIR(one.mode) else []
            known[_text(one.path)] = (stamp, written.get(digest, digest))
        durable.write(self._cache(branch), json.dumps(known).encode())

    def _known(self, branch: str) -> Known:
        try:
            read: Known = json.loads(self._cache(branch).read_bytes())
        except (OSError, ValueError):
            return {}
        return {path: (stamp, digest) for path, (stamp, digest) in read.items()}

    def _cache(self, branch: str) -> Path:
        return self.repository.place / f"meso-known-{branch}.json"

    def _write(self, root: int, path: bytes, mode: int, digest: str) -> None:
        if path.endswith(b"/"):
            _make_directories(root, path)
            return
        _make_directories(root, path)
        with opened(root, path) as parent:
            name = path.rsplit(b"/", 1)[-1]
            _unlink(parent, name)
            if mode == 0o120000:
                target = self.repository.run("cat-file", "blob", digest).stdout
                os.symlink(target, name, dir_fd=parent)
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(name, flags, 0o755 if mode == 0o100755 else 0o644, dir_fd=parent)
            try:
                self.repository.blob_into(digest, handle)
                os.fsync(handle)
            finally:
                os.close(handle)


def _head(branch: str, head: str | None, note: str) -> bytes:
    text = (note or "snapshot").encode()
    lines = b"commit %s\ncommitter %s %d +0000\ndata %d\n%s\n" % (
        ref(branch).encode(), WHO.encode(), int(time.time()), len(text), text)  # fmt: skip
    lines += b"from %s\n" % head.encode() if head else b""
    return lines + b"deleteall\n"


def _bytes(root: int, one: Found) -> bytes | None:
    if stat.S_ISDIR(one.mode):
        return b""
    try:
        with opened(root, one.path) as parent:
            name = one.path.rsplit(b"/", 1)[-1]
            if one.mode == 0o120000:
                return os.readlink(name, dir_fd=parent)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(name, flags, dir_fd=parent), "rb") as source:
                return source.read() if stat.S_ISREG(os.fstat(source.fileno()).st_mode) else None
    except FileNotFoundError:
        return None


def _quoted(path: bytes) -> bytes:
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape").encode(errors="surrogateescape").hex()


@contextlib.contextmanager
def _directory(place: Path) -> Iterator[int]:
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _parents(path: bytes) -> list[bytes]:
    parts = path.rstrip(b"/").split(b"/")
    most = len(parts) + 1 if path.endswith(b"/") else len(parts)
    return [b"/".join(parts[:n]) for n in range(1, most)]


def _remove(root: int, path: bytes) -> None:
    with contextlib.suppress(FileNotFoundError), opened(root, path.rstrip(b"/")) as parent:
        _unlink(parent, path.rstrip(b"/").rsplit(b"/", 1)[-1])


def _unlink(parent: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=parent)


def _make_directories(root: int, path: bytes) -> None:
    current = b""
    for part in path.split(b"/")[:-1]:
        current = current + b"/" + part if current else part
        with opened(root, current) as parent:
            name = current.rsplit(b"/", 1)[-1]
            try:
                os.mkdir(name, 0o755, dir_fd=parent)
            except FileExistsError:
                status = os.stat(name, dir_fd=parent, follow_symlinks=False)
                if not stat.S_ISDIR(status.st_mode):
                    os.unlink(name, dir_fd=parent)
                    os.mkdir(name, 0o755, dir_fd=parent)


def _prune(root: int, wanted: set[bytes], prefix: bytes = b"") -> None:
    """Remove directories that the snapshot does not have."""
    for name in map(os.fsencode, os.listdir(root)):
        status = os.stat(name, dir_fd=root, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            continue
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        child = os.open(name, flags, dir_fd=root)
        try:
            _prune(child, wanted, prefix + name + b"/")
        finally:
            os.close(child)
        if prefix + name not in wanted:
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=root)
