"""The git repository of the memories: every change as a commit with an author.

Commits are made by `git fast-import` from bytes: no work tree, no index, no filter, no hook, and
nothing that lies among the memories (`.gitattributes`, `.gitmodules`) has a meaning. Nobody's
settings are read. All writing goes through one thread at a time (the caller's lock).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meso_services.runtime import bounded, durable
from meso_services.runtime.errors import MesoError, storage_error

BRANCH = "refs/heads/main"
SECONDS = 300.0
SETTINGS = ("core.fsync=all", "core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0",
            "core.attributesFile=/dev/null", "core.excludesFile=/dev/null", "core.autocrlf=false",
            "core.quotePath=false", "protocol.allow=never", "safe.directory=*",
            "core.commitGraph=false", "log.showSignature=false")  # fmt: skip
_FILES = frozenset({b"100644", b"100755"})
_HASH = re.compile(r"[0-9a-f]{4,40}")
_UNFIT = re.compile(r"[<>\n\r\0]")


@dataclass(frozen=True)
class Change:
    """What became of a file: its bytes, or None where it is gone."""

    path: str
    raw: bytes | None


@dataclass(frozen=True)
class Revision:
    """A commit to make: its author (a source or a person), message, time and changes."""

    author: str
    message: str
    time: int
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Logged:
    """A commit as the history shows it. `time` in Unix seconds."""

    commit: str
    author: str
    time: int
    message: str
    paths: tuple[str, ...]


class Repository:
    """The repository beside the memories. Every method raises MesoError."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def make(self) -> None:
        """Make it, if it is not there; clear away what a crash left locked."""
        for lock in (self.place / f"{BRANCH}.lock", self.place / "HEAD.lock"):
            lock.unlink(missing_ok=True)
        if (self.place / "HEAD").exists():
            return
        try:
            durable.make_directories(self.place)
        except OSError as problem:
            raise storage_error(problem, self.place) from problem
        self.run("init", "-q", "--template=", "-b", "main", str(self.place))

    def head(self) -> str | None:
        """The newest commit."""
        return self.commit_of(BRANCH)

    def commit_of(self, name: str) -> str | None:
        """The commit that a name stands for."""
        done = self.run("rev-parse", "-q", "--verify", f"{name}^{{commit}}", fine=(0, 1, 128))
        return done.decode().strip() or None

    def tree(self, commit: str | None) -> dict[str, str]:
        """Every path of a commit and the hash of its blob; none of none. Files only: no link, no
        other repository.
        """
        return {path: blob for path, (mode, blob) in self.entries(commit) if mode in _FILES}

    def others(self, commit: str | None) -> int:
        """How many entries of a commit are no files."""
        return sum(mode not in _FILES for _, (mode, _) in self.entries(commit))

    def entries(self, commit: str | None) -> Iterator[tuple[str, tuple[bytes, str]]]:
        """Every path of a commit with its mode and hash, whatever it is."""
        if commit is None:
            return
        raw = self.run("ls-tree", "-r", "-z", "--full-tree", commit, most=1 << 30)
        for row in raw.split(b"\0"):
            if row:
                about, _, path = row.partition(b"\t")
                mode, _, blob = about.split()
                yield os.fsdecode(path), (mode, blob.decode())

    def commit(self, revisions: Sequence[Revision], *, onto: str | None = None) -> None:
        """Add commits to the branch, one after the other; durable afterwards."""
        before = onto or self.head()
        pieces = [piece for number, one in enumerate(revisions)
                  for piece in _pieces(one, before if number == 0 else None)]  # fmt: skip
        self.fast_import(b"".join((*pieces, b"done\n")))

    def fast_import(self, stream: bytes, *, force: bool = False) -> None:
        """Run a stream of git's own; objects and references are durable afterwards."""
        more = ("--force",) if force else ()
        self.run("fast-import", "--quiet", "--done", "--date-format=raw-permissive", *more,
                 given=stream)  # fmt: skip

    def history(self, paths: Iterable[str], most: int = 100) -> list[Logged]:
        """The commits that changed any of the paths, newest first."""
        named = [f":(literal){path}" for path in paths]
        if self.head() is None or not named:
            return []
        raw = self.run("log", f"-n{most}", "--no-renames", "--format=%x01%H%x02%an%x02%at%x02%s",
                       "--name-only", "-z", BRANCH, "--", *named)  # fmt: skip
        return [_logged(one) for one in raw.decode(errors="replace").split("\x01") if one]

    def show(self, commit: str, path: str) -> bytes | None:
        """A file's bytes at a commit. Raises `memory.no_commit`."""
        if not _HASH.fullmatch(commit) or self.commit_of(commit) is None:
            raise MesoError("memory.no_commit", f"the history has no commit {commit}", status=404)
        row = self.run("ls-tree", "-z", commit, "--", f":(literal){path}", fine=(0, 128))
        about = row.partition(b"\t")[0].split()
        return self.blob(about[2].decode()) if len(about) == 3 else None

    def blob(self, digest: str) -> bytes:
        """The bytes of a blob."""
        return self.run("cat-file", "blob", digest)

    def blobs(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """The bytes of several blobs, by one process."""
        if not digests:
            return {}
        given = "".join(f"{digest}\n" for digest in digests).encode()
        raw = self.run("cat-file", "--batch", given=given, most=1 << 29)
        return dict(_batch(raw))

    def tag(self, name: str) -> None:
        """Remember the newest commit under a name."""
        if (head := self.head()) is not None:
            self.run("update-ref", f"refs/tags/{name}", head)

    def run(
        self, *arguments: str, given: bytes = b"", fine: Sequence[int] = (0,),
        most: int = 64 << 20, allow: str = "",
    ) -> bytes:  # fmt: skip
        """Run git on it; `allow` names a transport that may be used. Returns what it printed."""
        argv = self.command(*arguments, allow=allow)
        outcome = bounded.run(bounded.Command(argv, self.environment(), stdin=given,
                              seconds=SECONDS, output_bytes=most))  # fmt: skip
        if outcome.code in fine:
            return outcome.stdout
        words = outcome.stderr.decode(errors="replace").strip()[-500:]
        if "No space left" in words:
            raise storage_error(OSError(28, words), self.place)
        raise MesoError(
            "memory.git_failed", f"git {arguments[0]} failed: {words}", status=503,
            hint="the memories are files and unharmed; look at the disk's health",
        )  # fmt: skip

    def command(self, *arguments: str, allow: str = "") -> list[str]:
        """The command line, with nothing in force that somebody else could have set."""
        extra = (f"protocol.{allow}.allow=always",) if allow else ()
        return ["git", *(w for one in (*SETTINGS, *extra) for w in ("-c", one)), *arguments]

    def environment(self) -> dict[str, str]:
        """Nothing of the caller's but where programs are."""
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "GIT_DIR": str(self.place),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
        }


def person(author: str, time: int) -> bytes:
    """An author as git writes one."""
    name = _UNFIT.sub(" ", author).strip(" .,:;\"'") or "unknown"
    return (
        f"{name} <{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:64]}@memory.meso.invalid> ".encode()
        + (f"{time} +0000".encode())
    )


def committed(revision: Revision, parents: Sequence[str] = ()) -> bytes:
    """A commit as fast-import reads it; the first parent is where its files come from."""
    return b"".join(_pieces(revision, *parents))


def _pieces(revision: Revision, before: str | None = None, *merged: str) -> list[bytes]:
    message = revision.message.encode()
    own = person("MESO memory manager", revision.time)
    pieces = [
        f"commit {BRANCH}\n".encode(),
        b"author " + person(revision.author, revision.time) + b"\n",
        b"committer " + own + b"\n",
        b"data %d\n%s\n" % (len(message), message),
    ]
    if before is not None:
        pieces.append(f"from {before}\n".encode())
    pieces += [f"merge {parent}\n".encode() for parent in merged]
    for change in revision.changes:
        path = _quoted(change.path)
        if change.raw is None:
            pieces.append(b"D " + path + b"\n")
        else:
            pieces.append(b"M 100644 inline " + path + b"\n")
            pieces.append(b"data %d\n%s\n" % (len(change.raw), change.raw))
    return pieces


def _quoted(path: str) -> bytes:
    """A path in git's quotes, whatever its letters."""
    raw = os.fsencode(path)
    return (
        b'"'
        + b"".join(
            bytes([byte]) if byte >= 0x20 and byte not in b'"\\' else b"\\%03o" % byte
            for byte in raw
        )
        + b'"'
    )


def _logged(raw: str) -> Logged:
    head, *paths = raw.split("\0")
    commit, author, time, message = head.split("\x02", 3)
    named = tuple(sorted({path.strip("\n") for path in paths} - {""}))
    return Logged(commit, author, int(time), message.strip(), named)


def _batch(raw: bytes) -> Iterable[tuple[str, bytes]]:
    place = 0
    while place < len(raw):
        end = raw.index(b"\n", place)
        digest, kind, *size = raw[place:end].split()
        length = int(size[0]) if kind != b"missing" and size else 0
        if kind == b"blob":
            yield digest.decode(), raw[end + 1 : end + 1 + length]
        place = end + 1 + (length + 1 if size else 0)
