"""The routes of a session's branches."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query

from meso_services.contract import branches as wire
from meso_services.contract.session import BranchName, Entry, EntryId
from meso_services.session_manager.checkpoints.shelf import Shelf
from meso_services.session_manager.checkpoints.then import files_then
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.merging import Merger
from meso_services.session_manager.neighbours.workspaces import Workspaces
from meso_services.session_manager.routes.common import (
    CHANGES,
    READS,
    AsciiJson,
    BranchIdent,
    Ident,
    Key,
    Limit,
    Place,
)
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tree import branches, copies, looking, marks
from meso_services.session_manager.tree.places import place, tip_node

IN = "/v1/sessions/{session}"


def add_branches(
    app: FastAPI, store: SessionStore, merger: Merger, workspaces: Workspaces, shelf: Shelf
) -> None:
    """Give `app` the routes below `/v1/sessions/{session}` that are about branches."""
    _names(app, store, workspaces, shelf)
    _entries(app, store, merger)
    _stash(app, store)
    _look(app, store)
    _marks(app, store)


def _files(
    workspaces: Workspaces, shelf: Shelf, session: SessionFile, source: str, wanted: wire.MakeBranch
) -> str:
    """Give a new branch its files: those of then where they were kept; and say which."""
    if wanted.at is None and wanted.message is None:
        return workspaces.branch(session.id, source, wanted.name)
    with session.lock:
        at = place(session, session.state, wanted)
        tip = tip_node(session, session.state, source)
    if at == tip:
        return workspaces.branch(session.id, source, wanted.name)
    then = files_then(shelf, session, at)
    done = workspaces.branch(session.id, source, wanted.name, then.snapshot if then else None)
    if done != "branched":
        return done
    if then is None:
        return "branched: the files as they are now, none of that time were kept"
    return f"branched: the files of checkpoint {then.checkpoint}, {then.messages} messages before"


def _names(app: FastAPI, store: SessionStore, workspaces: Workspaces, shelf: Shelf) -> None:
    @app.get(f"{IN}/branches", responses=READS)
    def show_branches(session: Ident) -> wire.Branches:
        """All branches, and those that were deleted."""
        return branches.show(store.get(session))

    @app.post(f"{IN}/branches", status_code=201, responses=CHANGES, response_class=AsciiJson)
    def make_branch(session: Ident, wanted: wire.MakeBranch, key: Key = None) -> wire.Moved:
        """Begin a branch at any entry. It takes the same time in a session of any length."""
        found = store.get(session)
        source = wanted.of or found.state.head
        made = branches.make(found, wanted, key)
        if not wanted.workspace or source == wanted.name:
            return made
        files = _files(workspaces, shelf, found, source, wanted)
        return made.model_copy(update={"workspace": files})

    @app.post(f"{IN}/switch", responses=CHANGES, response_class=AsciiJson)
    def switch(session: Ident, wanted: wire.Switch, key: Key = None) -> wire.Moved:
        """Work on another branch."""
        return branches.switch(store.get(session), wanted.branch, key)

    @app.patch(f"{IN}/branches/{{branch}}", responses=CHANGES, response_class=AsciiJson)
    def rename_branch(
        session: Ident, branch: BranchIdent, wanted: wire.RenameBranch, key: Key = None
    ) -> wire.Moved:
        """Give a branch another name."""
        return branches.rename(store.get(session), branch, wanted.name, key)

    @app.delete(f"{IN}/branches/{{branch}}", responses=CHANGES, response_class=AsciiJson)
    def drop_branch(session: Ident, branch: BranchIdent, key: Key = None) -> wire.Moved:
        """Take a branch's name away. Its entries stay, and `dropped` says where it stood."""
        return branches.drop(store.get(session), branch, key)

    @app.post(f"{IN}/branches/{{branch}}/reset", responses=CHANGES, response_class=AsciiJson)
    def reset_branch(
        session: Ident, branch: BranchIdent, wanted: wire.Reset, key: Key = None
    ) -> wire.Moved:
        """Let a branch go on at another place. What it had stays in the file."""
        return branches.reset(store.get(session), branch, wanted, key)


def _entries(app: FastAPI, store: SessionStore, merger: Merger) -> None:
    @app.post(f"{IN}/merge", responses=CHANGES)
    def merge(session: Ident, wanted: wire.Merge, key: Key = None) -> wire.Merged:
        """Bring what is new on one branch to another, three-way over their common ancestor."""
        return merger.merge(store.get(session), wanted, key)

    @app.post(f"{IN}/cherry-pick", responses=CHANGES)
    def cherry_pick(session: Ident, wanted: wire.Pick, key: Key = None) -> wire.Picked:
        """Repeat single entries on a branch."""
        return copies.pick(store.get(session), wanted, key)

    @app.post(f"{IN}/rebase", responses=CHANGES)
    def rebase(session: Ident, wanted: wire.Rebase, key: Key = None) -> wire.Picked:
        """Repeat what only one branch has after the tip of another."""
        return copies.rebase(store.get(session), wanted, key)


def _stash(app: FastAPI, store: SessionStore) -> None:
    @app.get(f"{IN}/stash", responses=READS)
    def show_stash(session: Ident) -> wire.Stash:
        """What was set aside, oldest first."""
        return copies.list_stash(store.get(session))

    @app.post(f"{IN}/stash", responses=CHANGES)
    def push_stash(session: Ident, wanted: wire.PushStash, key: Key = None) -> wire.Stashed:
        """Set aside what a branch has since a place, and go on from there."""
        return copies.push_stash(store.get(session), wanted, key)

    @app.post(f"{IN}/stash/pop", responses=CHANGES)
    def pop_stash(session: Ident, wanted: wire.PopStash, key: Key = None) -> wire.Picked:
        """Bring back what was set aside."""
        return copies.pop_stash(store.get(session), wanted, key)


def _look(app: FastAPI, store: SessionStore) -> None:
    @app.get(f"{IN}/log", responses=READS, response_class=AsciiJson)
    def log(
        session: Ident,
        branch: Annotated[BranchName | None, Query()] = None,
        before: Annotated[EntryId | None, Query()] = None,
        limit: Limit = 50,
    ) -> wire.LogPage:
        """The way to a branch's tip, newest first, by pages."""
        return looking.log(store.get(session), branch, before, limit)

    @app.get(f"{IN}/diff", responses=READS, response_class=AsciiJson)
    def diff(
        session: Ident,
        old: Annotated[Place, Query(alias="from")],
        new: Annotated[Place, Query(alias="to")],
        limit: Limit = 200,
    ) -> wire.Difference:
        """What each of two branches (or entries) has that the other has not."""
        return looking.difference(store.get(session), old, new, limit)


def _marks(app: FastAPI, store: SessionStore) -> None:
    @app.get(f"{IN}/marks", responses=READS)
    def show_marks(session: Ident) -> wire.Marks:
        """Labels and notes."""
        return marks.show(store.get(session))

    @app.post(f"{IN}/labels", responses=CHANGES, response_class=AsciiJson)
    def label(session: Ident, wanted: wire.LabelEntry, key: Key = None) -> Entry:
        """Label an entry; null takes the label away."""
        return marks.label(store.get(session), wanted, key)

    @app.post(f"{IN}/notes", responses=CHANGES, response_class=AsciiJson)
    def annotate(session: Ident, wanted: wire.AddNote, key: Key = None) -> Entry:
        """Keep a remark on an entry, which no model sees."""
        return marks.note(store.get(session), wanted, key)

    @app.get(f"{IN}/state", responses=READS, response_class=AsciiJson)
    def show_state(session: Ident) -> wire.Variables:
        """The session's variables."""
        return branches.variables(store.get(session))

    @app.patch(f"{IN}/state", responses=CHANGES, response_class=AsciiJson)
    def set_state(session: Ident, wanted: wire.SetVariables, key: Key = None) -> wire.Variables:
        """Set variables and remove others."""
        return branches.set_variables(store.get(session), wanted, key)
