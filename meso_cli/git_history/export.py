"""A session, as its services tell it, into a repository. Again: only what is new since."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meso_cli.git_history.repository import Repository, branch_name
from meso_cli.git_history.stream import Stream
from meso_cli.git_history.texts import said, seconds
from meso_services.contract.branches import Branches
from meso_services.contract.checkpoints import Checkpoint, Checkpoints
from meso_services.contract.client import CallError, Connection, SessionManager
from meso_services.contract.session import Entry
from meso_services.contract.workspaces import BundlePiece

_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass
class Exported:
    """What an export wrote. `left_out` are sentences, `renamed` a branch's name → git's name."""

    place: str
    commits: int = 0
    new: int = 0
    branches: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    kept: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Service:
    """What an export asks for, so that it does not matter where it comes from."""

    entries: Callable[[], Iterator[Entry]]
    branches: Branches
    checkpoints: tuple[Checkpoint, ...]
    bundle: Callable[[str, str], Iterable[bytes]]


def asked(session: str, manager: Connection, executor: Connection | None) -> Service:
    """The session as the services of this machine know it."""
    branches = manager.get(f"/v1/sessions/{session}/branches", Branches)
    rows = manager.get("/v1/checkpoints", Checkpoints, session=session).checkpoints
    found = [
        manager.get(f"/v1/checkpoints/{row.checkpoint_id}", Checkpoint)
        for row in rows
        if row.session_id == session
    ]

    def bundle(branch: str, snapshot: str) -> Iterator[bytes]:
        if executor is None:
            raise LookupError("the tool executor was not asked")
        path, offset, last = f"/v1/workspaces/{session}/{branch}/snapshots/{snapshot}", 0, False
        while not last:
            piece = executor.get(path, BundlePiece, offset=offset)
            raw = base64.b64decode(piece.data)
            yield raw
            offset, last = offset + len(raw), piece.last

    return Service(lambda: SessionManager(manager).entries(session), branches, tuple(found), bundle)


def export(
    session: str, service: Service, place: Path, note: Callable[[str], Any] = lambda _: None
) -> Exported:
    """Write the session's messages and branches. Raises CliError `export.*`, `storage.*`."""
    repository = Repository(place)
    repository.open(session)
    made = Exported(str(place))
    note("reading the session")
    speakers, last = _speakers(service.entries())
    files = _files(service, repository, speakers, made)
    known = repository.commits()
    stream = Stream(known, {entry: tree for entry, tree in files.values() if entry})
    try:
        note(f"writing {len(speakers)} entries")
        marks = repository.load(stream.commands(_up_to(service.entries(), last)))
        shas = known | {entry: marks[mark] for entry, mark in stream.made.items()}
        made.commits, made.new = len(shas), len(stream.made)
        repository.remember(shas)
        _branches(service.branches, repository, stream, marks, made)
        _tags(service, repository, files, shas, made)
    finally:
        stream.close()
    return made


def _speakers(entries: Iterator[Entry]) -> tuple[dict[str, str | None], str | None]:
    """Entry → the nearest entry on the way to the root that makes a commit, and the newest."""
    found: dict[str, str | None] = {}
    last = None
    for entry in entries:
        speaks = said(entry) is not None or entry.merged
        found[entry.id] = entry.id if speaks else found.get(entry.parent_id or "")
        last = entry.id
    return found, last


def _up_to(entries: Iterator[Entry], last: str | None) -> Iterator[Entry]:
    """What is appended meanwhile is for the next time."""
    for entry in entries:
        yield entry
        if entry.id == last:
            return


def _files(
    service: Service, repository: Repository, speakers: dict[str, str | None], made: Exported
) -> dict[str, tuple[str | None, str]]:
    """Checkpoint → its entry and the tree of its files, oldest first; the objects are fetched."""
    found: dict[str, tuple[str | None, str]] = {}
    for one in service.checkpoints:
        snapshot, tree = one.meso.workspace, one.meso.workspace_tree
        entry = speakers.get(one.meso.tip or "")
        if snapshot is None or tree is None or entry is None:
            continue
        name = one.checkpoint_name or one.checkpoint_id
        if not repository.has_tree(tree):
            try:
                repository.take(service.bundle(one.session.branch_name, snapshot))
            except (CallError, LookupError) as problem:
                made.left_out.append(f"files of the checkpoint {name}: {problem}")
                continue
        found[one.checkpoint_id] = (entry, tree)
    return found


def _branches(
    branches: Branches,
    repository: Repository,
    stream: Stream,
    marks: dict[int, str],
    made: Exported,
) -> None:
    was, names = repository.heads(), []
    shown = None
    for branch in branches.branches:
        commit = stream.commit(branch.tip)
        if commit is None:
            made.left_out.append(f"branch {branch.name}: nothing was said on it yet")
            continue
        name = branch_name(branch.name)
        while name in names:
            name += "-"
        if name != branch.name:
            made.renamed[branch.name] = name
        sha = marks[int(commit[1:])] if commit.startswith(":") else commit
        if kept := repository.move(name, sha, was.get(name)):
            made.kept.append(kept)
        names.append(name)
        shown = name if branch.current or shown is None else shown
    made.branches = tuple(names)
    if shown is not None:
        repository.show(shown)


def _tags(
    service: Service,
    repository: Repository,
    files: dict[str, tuple[str | None, str]],
    shas: dict[str, str],
    made: Exported,
) -> None:
    """A tag for each checkpoint, at a commit that has its files."""
    names = []
    for one in service.checkpoints:
        entry, tree = files.get(one.checkpoint_id, (None, ""))
        if entry is None or entry not in shas:
            continue
        word = _NOT_IN_A_TAG.sub("-", one.checkpoint_name or "").strip("-")[:60]
        name = f"checkpoint/{word or one.checkpoint_id}"
        if name in names:
            name = f"{name}-{one.checkpoint_id[:8]}"
        commit = shas[entry]
        if repository.tree_at(commit, "workspace") != tree:
            commit = _beside(repository, commit, tree, one)
        repository.tag(name, commit)
        names.append(name)
    made.checkpoints = tuple(names)


def _beside(repository: Repository, commit: str, tree: str, one: Checkpoint) -> str:
    """A commit for the files of a checkpoint that was made after its message was exported."""
    rows = repository.git("ls-tree", commit).stdout.splitlines()
    kept = [row for row in rows if not row.endswith("\tworkspace")]
    given = "".join(f"{row}\n" for row in [*kept, f"040000 tree {tree}\tworkspace"])
    whole = repository.git("mktree", given=given).stdout.strip()
    text = f"checkpoint {one.checkpoint_name or one.checkpoint_id}\n\n{one.operator_note}\n"
    who = ("-c", "user.name=session", "-c", "user.email=session@meso")
    words = ("commit-tree", whole, "-p", commit, "-m", text.strip())
    return repository.git(*who, *words, when=seconds(one.timestamp)).stdout.strip()
