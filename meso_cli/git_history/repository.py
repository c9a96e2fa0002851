"""The repository that an export writes: made, recognised again, filled and moved on by git."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from meso_cli.git_history.stream import REF
from meso_cli.output import CliError
from meso_services.runtime import durable, process

# Nobody's hooks, filters or settings take part in writing; reading later is as the owner likes.
_SETTINGS = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0",
             "core.attributesFile=/dev/null", "protocol.allow=never")  # fmt: skip
_SESSION, _COMMITS = "meso/session", "meso/commits"
_SHA = 40


class Repository:
    """A directory with a work tree. Every method raises CliError `export.*`."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def open(self, session: str) -> None:
        """Make it, or know it again. Raises `export.not_ours`, `export.changed`."""
        if self.place.exists() and not self.place.is_dir():
            raise _not_ours(self.place, "it is a file")
        if not self.place.exists() or not any(self.place.iterdir()):
            durable.make_directories(self.place)
            self.git("init", "-q", "--initial-branch=main")
            durable.make_directories(self.place / ".git/meso")
            durable.write(self._own(_SESSION), f"{session}\n".encode())
            return
        try:
            other = self._own(_SESSION).read_text().strip()
        except OSError:
            raise _not_ours(self.place, "it has something in it already") from None
        if other != session:
            raise _not_ours(self.place, f"it holds the session {other}")
        if self.git("status", "--porcelain").stdout.strip():
            raise CliError(
                "export.changed",
                f"{self.place} has changes that are not committed",
                hint="Commit or stash them, or export to another directory.",
            )

    def commits(self) -> dict[str, str]:
        """Entry → commit, of the exports before. What git lost is not in it."""
        with contextlib.suppress(OSError):
            rows = (line.split() for line in self._own(_COMMITS).read_text().splitlines())
            found = {row[0]: row[1] for row in rows if len(row) == 2 and len(row[1]) == _SHA}
            given = "".join(f"{sha}\n" for sha in found.values())
            said = self.git("cat-file", "--batch-check", given=given).stdout.splitlines()
            there = {line.split()[0] for line in said if line.split()[1:2] == ["commit"]}
            return {entry: sha for entry, sha in found.items() if sha in there}
        return {}

    def remember(self, commits: Mapping[str, str]) -> None:
        """Keep what the next export goes on from."""
        text = "".join(f"{entry} {sha}\n" for entry, sha in commits.items())
        durable.write(self._own(_COMMITS), text.encode())

    def take(self, bundle: Iterable[bytes]) -> None:
        """The objects of a git bundle."""
        with tempfile.NamedTemporaryFile(suffix=".bundle") as file:
            file.writelines(bundle)
            file.flush()
            self.git("bundle", "unbundle", file.name)

    def has_tree(self, tree: str) -> bool:
        """True if git has it."""
        return self.git("cat-file", "-t", tree, check=False).stdout.strip() == "tree"

    def load(self, commands: Iterable[bytes]) -> dict[int, str]:
        """Feed fast-import; mark → commit. Nothing that a reference names changes if it fails."""
        with tempfile.TemporaryDirectory() as scratch:
            marks = Path(scratch, "marks")
            words = ("fast-import", "--quiet", "--force", "--date-format=raw",
                     f"--export-marks={marks}")  # fmt: skip
            with tempfile.TemporaryFile() as errors:
                child = process.start(self._argv(words), stdin=subprocess.PIPE, stderr=errors)
                assert child.stdin is not None  # noqa: S101 (it was asked for)
                try:
                    with contextlib.suppress(BrokenPipeError):
                        for command in commands:
                            child.stdin.write(command)
                        child.stdin.write(b"done\n")
                    with contextlib.suppress(BrokenPipeError):
                        child.stdin.close()
                    status = child.wait()
                except BaseException:
                    child.kill()
                    child.wait()
                    raise
                if status:
                    errors.seek(0)
                    raise _failed("fast-import", errors.read().decode(errors="replace"))
            rows = (line.split() for line in marks.read_text().splitlines())
            made = {int(mark.lstrip(":")): sha for mark, sha in rows}
        self.git("update-ref", "-d", REF)
        return made

    def heads(self) -> dict[str, str]:
        """Branch → commit."""
        form = "--format=%(refname:lstrip=2) %(objectname)"
        rows = self.git("for-each-ref", form, "refs/heads/").stdout.splitlines()
        return dict(row.rsplit(" ", 1) for row in rows)

    def move(self, branch: str, commit: str, was: str | None) -> str:
        """Let a branch stand at a commit. What it had beyond is kept under a tag, which is told."""
        kept = ""
        if was is not None and was != commit:
            inside = self.git("merge-base", "--is-ancestor", was, commit, check=False)
            if inside.status:
                kept = f"kept/{branch}-{was[:12]}"
                self.git("update-ref", f"refs/tags/{kept}", was)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return kept

    def tag(self, name: str, commit: str) -> None:
        """Let a tag stand at a commit."""
        self.git("update-ref", f"refs/tags/{name}", commit)

    def tree_at(self, commit: str, path: str) -> str:
        """What a commit has at a path; nothing where it has none."""
        said = self.git("rev-parse", "-q", "--verify", f"{commit}:{path}", check=False)
        return said.stdout.strip()

    def show(self, branch: str) -> None:
        """Check a branch out. The work tree has no changes of anybody: `open` made sure."""
        self.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        self.git("reset", "-q", "--hard")

    def git(
        self, *words: str, given: str | None = None, check: bool = True, when: int = 0
    ) -> process.Result:
        """Run git in it. A commit is made at `when`, in Unix seconds."""
        date = f"@{when} +0000"
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        try:
            return process.run(self._argv(words), given=given, check=check, timeout=600, env=dates)
        except process.CommandError as error:
            raise _failed(words[0], str(error)) from error

    def _argv(self, words: tuple[str, ...]) -> list[str]:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        return ["git", "-C", str(self.place), *settings, *words]

    def _own(self, name: str) -> Path:
        return self.place / ".git" / name


def branch_name(name: str) -> str:
    """A session's branch as git takes it: no `..`, no `.lock` and no dot at the end."""
    safe = name.replace("..", ".-").replace("..", ".-")
    return f"{safe}-" if safe.endswith((".", ".lock")) else safe


def _not_ours(place: Path, why: str) -> CliError:
    return CliError(
        "export.not_ours",
        f"{place} was not made by an export of this session: {why}",
        hint="Name a directory that is empty or not there.",
    )


def _failed(what: str, said: str) -> CliError:
    last = " / ".join(said.strip().splitlines()[-3:])
    if "No space left" in said:
        return CliError("storage.full", f"the disk is full: {last}", hint="Free some space.")
    return CliError("export.git_failed", f"git {what}: {last}", hint="Is git installed here?")
