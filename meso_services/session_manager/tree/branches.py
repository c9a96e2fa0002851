"""Branches: names for entries. Each change is one more entry, whatever the session's length."""

from __future__ import annotations

from collections.abc import Sequence

from meso_services.contract.branches import (
    At,
    Branch,
    Branches,
    MakeBranch,
    Moved,
    Reset,
    SetVariables,
    Variables,
)
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import entries, records
from meso_services.session_manager.file import Draft, SessionFile, digest
from meso_services.session_manager.state import State
from meso_services.session_manager.tree.places import ident, moved, place, tip_node

MOST_BRANCHES = 10_000
MOST_VARIABLES = 1000
VARIABLES_BYTES = 1 << 20


def show(session: SessionFile) -> Branches:
    """All branches."""
    with session.lock:
        state = session.state
        found = []
        for name in state.refs:
            tip = tip_node(session, state, name)
            found.append(
                Branch(
                    name=name,
                    tip=ident(tip),
                    entries=tip.depth if tip else 0,
                    messages=tip.messages if tip else 0,
                    tokens=tip.tokens if tip else 0,
                    current=name == state.head,
                )
            )
        return Branches(branches=tuple(found), dropped=dict(state.dropped))


def make(session: SessionFile, wanted: MakeBranch, key: str | None) -> Moved:
    """Begin a branch. Raises `branch.exists`, `branch.too_many`, `entry.*`."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        check_free(session, state, wanted.name)
        at = ident(place(session, state, wanted))
        facts = {"name": wanted.name, "at": at, "switch": wanted.switch}
        return [_record(records.BRANCH, wanted.name, at, **facts)]

    lines, _ = session.change(plan, key, digest("branch", wanted))
    return moved(session, wanted.name, lines)


def switch(session: SessionFile, branch: str, key: str | None) -> Moved:
    """Work on another branch."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        tip = session.tip(state, branch)
        if branch == state.head:
            return []
        return [_record(records.HEAD, branch, tip, branch=branch, was=state.head)]

    lines, _ = session.change(plan, key, digest("switch", branch))
    return moved(session, branch, lines, changed=bool(lines))


def rename(session: SessionFile, branch: str, name: str, key: str | None) -> Moved:
    """Give a branch another name."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        tip = session.tip(state, branch)
        if name == branch:
            return []
        check_free(session, state, name)
        return [_record(records.RENAME, branch, tip, **{"from": branch, "to": name})]

    lines, _ = session.change(plan, key, digest("rename", branch, name))
    return moved(session, name, lines, changed=bool(lines))


def drop(session: SessionFile, branch: str, key: str | None) -> Moved:
    """Take a branch's name away; its entries stay, and `show` says where it stood."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        tip = session.tip(state, branch)
        if branch == state.head:
            raise MesoError(
                "branch.current",
                f"branch {branch} is the one that is worked on",
                status=409,
                hint="switch to another one first",
            )
        return [_record(records.DROP, branch, tip, branch=branch, at=tip)]

    lines, _ = session.change(plan, key, digest("drop", branch))
    return moved(session, branch, lines)


def reset(
    session: SessionFile, branch: str, wanted: Reset, key: str | None, why: str = "asked"
) -> Moved:
    """Let a branch go on at another entry. What it had stays in the file."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        tip = session.tip(state, branch)
        asked = wanted if wanted.of is not None else At(**{**wanted.model_dump(), "of": branch})
        to = ident(place(session, state, asked))
        if to == tip:
            return []
        return [_record(records.RESET, branch, to, **{"from": tip, "to": to, "why": why})]

    lines, _ = session.change(plan, key, digest("reset", branch, wanted))
    return moved(session, branch, lines, changed=bool(lines))


def variables(session: SessionFile) -> Variables:
    """The session's variables."""
    return Variables(variables=dict(session.state.variables))


def set_variables(session: SessionFile, wanted: SetVariables, key: str | None) -> Variables:
    """Set and remove variables. Raises `state.too_large`."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        after = {k: v for k, v in {**state.variables, **wanted.set}.items()
                 if k not in wanted.unset}  # fmt: skip
        if len(after) > MOST_VARIABLES or len(entries.encode(after)) > VARIABLES_BYTES:
            raise MesoError(
                "state.too_large",
                f"a session keeps at most {MOST_VARIABLES} variables of {VARIABLES_BYTES} bytes",
                status=422,
                hint="write large things into a file of the workspace",
            )
        if after == state.variables:
            return []
        facts = {"set": wanted.set, "unset": list(wanted.unset)}
        return [_record(records.STATE, state.head, state.leaf, **facts)]

    session.change(plan, key, digest("state", wanted))
    return variables(session)


def check_free(session: SessionFile, state: State, name: str) -> None:
    """Raises `branch.exists`, `branch.too_many`."""
    if name in state.refs:
        raise MesoError(
            "branch.exists",
            f"session {session.id} has a branch {name} already",
            status=409,
            hint="take another name, or rename or delete that one",
            detail={"tip": state.refs[name]},
        )
    if len(state.refs) >= MOST_BRANCHES:
        raise MesoError(
            "branch.too_many",
            f"session {session.id} has {MOST_BRANCHES} branches",
            status=409,
            hint="delete some: their entries stay",
        )


def _record(kind: str, branch: str, parent: str | None, /, **facts: object) -> Draft:
    return Draft("custom", records.data(kind, **facts), parent, {"branch": branch})
