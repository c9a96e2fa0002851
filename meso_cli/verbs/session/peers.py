"""Where sessions are brought to and from: this service, an appliance over ssh, a directory."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from meso_cli import naming, remote
from meso_cli.output import CliError
from meso_cli.verbs.checkpoint import carrying
from meso_cli.verbs.session.ask import Ask, call
from meso_services.contract.client import Connection
from meso_services.runtime import durable, process

ENDING = ".meso-session"
MOST_FIRST = 8 << 20


class Peer(Protocol):
    """One side. Everything raises CliError or CallError."""

    def heads(self) -> list[dict[str, Any]]:
        """Where every session's branches stand."""

    def files(self, session: str, place: Path) -> Iterator[Path]:
        """The session as files, made below `place` where there are none yet."""

    def take(self, path: str, *, dry_run: bool) -> dict[str, Any]:
        """Take in such a file; what came of it (`sync.Received`)."""


class Here:
    """The service of this machine."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def heads(self) -> list[dict[str, Any]]:
        """See `Peer`."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            query = {"after": after, "limit": 1000}
            page = call(self._connection, Ask("GET", "/v1/heads", "sync.HeadsPage", query=query))
            found += page["sessions"]
            if (after := page["next"]) is None:
                return found

    def files(self, session: str, place: Path) -> Iterator[Path]:
        """See `Peer`."""
        path = place / f"{session}{ENDING}"
        self.send(session, str(path), force=True)
        yield path
        path.unlink()

    def send(self, session: str, path: str, *, force: bool) -> dict[str, Any]:
        """Write a session's file."""
        url = f"/v1/sessions/{naming.session(self._connection, session)}/send"
        return carrying.save(self._connection, url, path, force=force)

    def take(self, path: str, *, dry_run: bool) -> dict[str, Any]:
        """See `Peer`."""
        transfer = carrying.give(self._connection, path)
        url = f"/v1/transfers/{transfer}/receive?dry_run={str(dry_run).lower()}"
        return call(self._connection, Ask("POST", url, "sync.Received", "snapshots.Nothing"))


class Remote:
    """An appliance, by the same verbs over ssh."""

    def __init__(self, host: str, login: Sequence[str] | None = None) -> None:
        self._host = host
        self._login = list(login) if login is not None else remote.login(host)

    def heads(self) -> list[dict[str, Any]]:
        """See `Peer`."""
        page = self._asked(["heads", "--json"])
        found: list[dict[str, Any]] = page["sessions"]
        while page["next"] is not None:
            page = self._asked(["heads", "--after", page["next"], "--json"])
            found += page["sessions"]
        return found

    def files(self, session: str, place: Path) -> Iterator[Path]:
        """See `Peer`."""
        path = place / f"{session}{ENDING}"
        with path.open("wb") as target:
            self._run(["send", session, "-"], stdout=target)
        yield path
        path.unlink()

    def take(self, path: str, *, dry_run: bool) -> dict[str, Any]:
        """See `Peer`."""
        with Path(path).open("rb") as source:
            more = ["--dry-run"] if dry_run else []
            return self._asked(["receive", "-", "--json", *more], stdin=source)

    def _asked(self, words: list[str], stdin: BinaryIO | None = None) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._run(words, stdin=stdin))
        except ValueError as error:
            raise CliError(
                "remote.bad_answer",
                f"{self._host} answered something else than JSON.",
                hint="Is its `meso` of the same version?",
            ) from error
        return found

    def _run(
        self, words: list[str], *, stdin: BinaryIO | None = None, stdout: BinaryIO | None = None
    ) -> bytes:
        argv = [*self._login, "meso", "session", *(shlex.quote(word) for word in words)]
        child = process.start(
            argv,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=stdout if stdout is not None else subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said, complaint = child.communicate()
        if child.returncode == remote.SSH_FAILED:
            raise CliError("remote.unreachable", f"ssh could not reach {self._host}.",
                           hint=complaint.decode(errors="replace").strip()[-500:])  # fmt: skip
        if child.returncode:
            words_of = complaint.decode(errors="replace").strip() or "it said nothing"
            raise CliError("remote.failed", f"{self._host}: {words_of[-1000:]}")
        return said or b""


class Directory:
    """A directory that both sides can reach: a memory stick, a share, a git work tree.

    A file is named after its session and its contents, so that none is ever overwritten. Those
    whose every branch a newer file has are removed when that one is on the disk.
    """

    def __init__(self, place: Path, here: Here) -> None:
        self._place = place
        self._here = here

    def heads(self) -> list[dict[str, Any]]:
        """See `Peer`."""
        found: dict[str, dict[str, Any]] = {}
        for path in self._files("*"):
            first = _first(path)
            one = found.setdefault(first["session"], {**first, "branches": {}})
            one["branches"] |= {f"{path.name} {k}": tip for k, tip in first["refs"].items()}
            one["archived"] = one["archived"] and first["archived"]
        return list(found.values())

    def files(self, session: str, place: Path) -> Iterator[Path]:
        """See `Peer`."""
        yield from self._files(session)

    def take(self, path: str, *, dry_run: bool) -> dict[str, Any]:
        """See `Peer`."""
        first = _first(Path(path))
        older = self._files(first["session"])
        if not dry_run:
            self._keep(Path(path), first["session"], older)
        branches = [] if not older else [
            {"name": name, "theirs": name, "tip": tip, "how": "forwarded"}
            for name, tip in first["refs"].items()
        ]  # fmt: skip
        return {"session": first["session"], "name": first["name"], "created": not older,
                "archived": first["archived"], "entries": first["entries"], "branches": branches,
                "dry_run": dry_run}  # fmt: skip

    def _keep(self, source: Path, session: str, older: list[Path]) -> None:
        aside = self._place / f".{secrets.token_hex(8)}.new"
        try:
            durable.make_directories(self._place)
            with source.open("rb") as read, aside.open("xb") as out:
                digest = _copied(read, out)
            target = self._place / f"{session}.{digest[:16]}{ENDING}"
            durable.move(aside, target)
            for path in older:
                if path != target and self._has_nothing_new(path):
                    durable.remove(path)
        except OSError as error:
            raise CliError("cli.file_unwritable", f"{self._place}: {error.strerror}.") from error
        finally:
            aside.unlink(missing_ok=True)

    def _has_nothing_new(self, path: Path) -> bool:
        """Judged by the service, whose session the newest file was made of."""
        found = self._here.take(str(path), dry_run=True)
        return not (found["created"] or found["entries"] or found["branches"])

    def _files(self, session: str) -> list[Path]:
        if not self._place.is_dir():
            return []
        return sorted(path for path in self._place.glob(f"{session}.*{ENDING}") if path.is_file())


def peer(name: str, here: Here) -> Peer:
    """The other side: a path has a `/` or is a directory, everything else is a host."""
    place = Path(name).expanduser()
    if "/" in name or name in (".", "..") or place.is_dir():
        if place.exists() and not place.is_dir():
            raise CliError("cli.not_a_directory", f"{name} is no directory.")
        return Directory(place, here)
    return Remote(name)


def _first(path: Path) -> dict[str, Any]:
    try:
        with gzip.open(path, "rb") as source:
            first = json.loads(source.readline(MOST_FIRST))
        if first["kind"] != "meso-session" or not isinstance(first["refs"], dict):
            raise ValueError(first["kind"])
        return {name: first[name] for name in ("session", "name", "archived", "refs", "entries")}
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise CliError(
            "transfer.damaged", f"{path} is no session of another instance.",
            hint="Move it away; whoever pushed it can push again.",
        ) from error  # fmt: skip


def _copied(source: BinaryIO, target: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := source.read(1 << 20):
        digest.update(piece)
        target.write(piece)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest()
