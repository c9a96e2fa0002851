"""The one way in which a shadow repository is touched: git, with nothing of anybody's settings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from meso_services.runtime import bounded, durable
from meso_services.runtime.errors import MesoError, storage_error

SECONDS = 300.0
# Flushed to the disk before git says that it is done. No hook, filter, monitor or clean-up runs.
SETTINGS = ("core.fsync=all", "core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0",
            "core.attributesFile=/dev/null", "core.excludesFile=/dev/null",
            "core.autocrlf=false", "protocol.allow=never")  # fmt: skip
WHO = "MESO OS <meso@localhost>"


def ref(branch: str) -> str:
    """The reference of a branch. Git refuses some names that we allow: `a..b`, `x.lock`."""
    return f"refs/heads/{branch.replace('.', '%2E')}"


class Repository:
    """A bare repository. Every method raises MesoError `workspace.*` or `storage.*`."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def make(self) -> None:
        """Make it, if it is not there."""
        if (self.place / "HEAD").exists():
            return
        try:
            durable.make_directories(self.place)
        except OSError as problem:
            raise storage_error(problem, self.place) from problem
        self.run("init", "-q", "--bare", str(self.place))

    def run(
        self, *arguments: str, given: bytes = b"", fine: Sequence[int] = (0,), most: int = 64 << 20
    ) -> bounded.Outcome:
        """Run git on it."""
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        outcome = bounded.run(
            bounded.Command(
                ["git", *settings, *arguments],
                self.environment(),
                stdin=given,
                seconds=SECONDS,
                output_bytes=most,
            )
        )
        if outcome.code not in fine:
            said = outcome.stderr.decode(errors="replace").strip()[-500:]
            if "No space left" in said:
                raise storage_error(OSError(28, said), self.place)
            raise MesoError(
                "workspace.git_failed", f"git {arguments[0]} failed: {said}", status=503,
                hint="the journal of the tool executor has more",
            )  # fmt: skip
        return outcome

    def head(self, branch: str) -> str | None:
        """The newest snapshot of a branch."""
        outcome = self.run("rev-parse", "-q", "--verify", ref(branch), fine=(0, 1))
        return outcome.stdout.decode().strip() or None

    def tree_of(self, snapshot: str) -> str:
        """The tree of a snapshot. Raises `workspace.no_snapshot`."""
        outcome = self.run("rev-parse", "-q", "--verify", f"{snapshot}^{{tree}}", fine=(0, 1, 128))
        if outcome.code:
            raise MesoError(
                "workspace.no_snapshot",
                f"there is no snapshot {snapshot}",
                status=404,
                hint="bring the checkpoint's export, which holds its files",
            )
        return outcome.stdout.decode().strip()

    def files(self, snapshot: str) -> dict[bytes, tuple[int, str]]:
        """Every path of a snapshot, as git has it, with its mode and the hash of its bytes."""
        self.tree_of(snapshot)
        raw = self.run("ls-tree", "-r", "-z", "--full-tree", snapshot).stdout
        found = {}
        for row in raw.split(b"\0"):
            if row:
                about, _, path = row.partition(b"\t")
                mode, _, digest = about.split(b" ")
                found[path] = (int(mode, 8), digest.decode())
        return found

    def blob_into(self, digest: str, target: int) -> None:
        """Write the bytes of a file to an open descriptor, through a file if they are many."""
        size = int(self.run("cat-file", "-s", digest).stdout)
        raw = self.run("cat-file", "blob", digest, most=size + 4096).stdout
        view = memoryview(raw)
        while view:
            view = view[os.write(target, view) :]

    def scratch(self) -> Path:
        """A new file beside the repository's own, for what is too large for memory."""
        handle, name = tempfile.mkstemp(prefix="meso-", dir=self.place)
        os.close(handle)
        return Path(name)

    def commit(self, tree: str, parents: Sequence[str], note: str) -> str:
        """A commit of a tree; no branch moves."""
        named = [word for parent in parents for word in ("-p", parent)]
        made = self.run("-c", "user.name=MESO OS", "-c", "user.email=meso@localhost",
                        "commit-tree", tree, *named, "-m", note)  # fmt: skip
        return made.stdout.decode().strip()

    def environment(self) -> dict[str, str]:
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
