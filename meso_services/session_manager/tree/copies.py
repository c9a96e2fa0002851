"""Entries repeated in another place: cherry-pick, rebase, stash, and the turns of a merge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from meso_services.contract.branches import (
    Pick,
    Picked,
    PopStash,
    PushStash,
    Rebase,
    Stash,
    Stashed,
)
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import Draft, SessionFile, digest
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.model.parts import calls_in, results_in
from meso_services.session_manager.state import State
from meso_services.session_manager.tree.places import ident, place, tip_node
from meso_services.session_manager.tree.walk import Walker, is_ancestor, sides

MOST_COPIES = 20_000
OF_THE_BRANCH = frozenset({"session_info", "compaction"})
COPY_BYTES = 256 << 20


def worth_copying(node: Node) -> bool:
    """False for what is about the branch itself and not about the conversation.

    A compaction stands for what is before it on its own way; elsewhere it would hide other turns.
    """
    return not node.kind.startswith(records.PREFIX) and node.kind not in OF_THE_BRANCH


def copies(session: SessionFile, nodes: Sequence[Node], branch: str) -> Iterator[Draft]:
    """Drafts that repeat entries one after the other, held back until a last one moves the branch.

    Raises `session.too_much` when they are too many to be written as one piece.
    """
    if len(nodes) > MOST_COPIES or sum(node.length for node in nodes) > COPY_BYTES:
        raise MesoError(
            "session.too_much",
            f"{len(nodes)} entries are too many to be repeated at once (at most {MOST_COPIES})",
            status=422,
            hint="merge with the strategy extract or summarise, or fork the session",
        )
    for line in session.lines(nodes):
        own: dict[str, Any] = {"branch": branch, "pending": True, "copy": line.copy_of or line.id}
        yield Draft(line.type, line.data, own=own, timestamp=line.timestamp, source=line.id)


def after(drafts: list[Draft], parent: str | None, record: Draft) -> list[Draft]:
    """The drafts on `parent`, closed by the record that moves the branch to them."""
    whole = [*drafts, record]
    return [whole[0].on(parent), *whole[1:]]


def pick(session: SessionFile, wanted: Pick, key: str | None) -> Picked:
    """Repeat single entries on a branch; a tool call brings its results and the other way round."""
    made: dict[str, str] = {}
    target = ""

    def plan(state: State) -> Sequence[Draft]:
        nonlocal target
        session.check_open()
        target = wanted.branch or state.head
        tip = session.tip(state, target)
        nodes = _with_pairs(session, [session.node(one) for one in wanted.entries])
        nodes = [node for node in nodes if worth_copying(node)]
        if not nodes:
            raise MesoError(
                "entry.not_copied",
                "none of these entries is part of the conversation",
                status=422,
                hint="pick messages; records of branches are not repeated",
            )
        record = Draft("custom", records.data(records.PICK, **{"from": [n.id for n in nodes]}),
                       own={"branch": target})  # fmt: skip
        return after(list(copies(session, nodes, target)), tip, record)

    lines, before = session.change(plan, key, digest("pick", wanted))
    if before:
        return _picked_before(session, lines[-1])
    made = {line.copy_of or "": line.id for line in lines[:-1]}
    return Picked(branch=target, tip=lines[-1].id, entries=made)


def rebase(session: SessionFile, wanted: Rebase, key: str | None) -> Picked:
    """Repeat what only `branch` has after the tip of `onto`, and let `branch` stand there."""
    name = ""

    def plan(state: State) -> Sequence[Draft]:
        nonlocal name
        session.check_open()
        name = wanted.branch or state.head
        tip, onto = tip_node(session, state, name), tip_node(session, state, wanted.onto)
        if name == wanted.onto or onto is None or is_ancestor(session, onto, tip):
            return []
        apart = sides(session, tip, onto)
        nodes = [node for node in apart.ours if worth_copying(node)]
        facts = {"onto": wanted.onto, "from": ident(tip), "base": ident(apart.base)}
        record = Draft("custom", records.data(records.REBASE, **facts), own={"branch": name})
        return after(list(copies(session, nodes, name)), onto.id, record)

    lines, before = session.change(plan, key, digest("rebase", wanted))
    if before:
        return _picked_before(session, lines[-1])
    made = {line.copy_of or "": line.id for line in lines[:-1]}
    return Picked(branch=name, tip=session.state.refs.get(name), entries=made, changed=bool(lines))


def push_stash(session: SessionFile, wanted: PushStash, key: str | None) -> Stashed:
    """Set aside what a branch has since a place."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        name = wanted.branch or state.head
        tip = tip_node(session, state, name)
        base = place(session, state, wanted.model_copy(update={"of": wanted.of or name}))
        if base is not None and not is_ancestor(session, base, tip):
            raise MesoError(
                "stash.not_on_branch",
                f"entry {base.id} is not on branch {name}",
                status=422,
                hint="name an entry on the way to the branch's tip",
            )
        if tip is None or tip == base:
            raise MesoError(
                "stash.nothing", f"branch {name} has nothing after that place", status=409
            )
        facts = {"tip": tip.id, "base": ident(base), "note": wanted.note}
        return [Draft("custom", records.data(records.STASH, **facts), ident(base),
                      {"branch": name})]  # fmt: skip

    lines, _ = session.change(plan, key, digest("stash", wanted))
    branch = lines[-1].branch or session.state.head
    return stashed({"id": lines[-1].id, "branch": branch, **records.facts(lines[-1].data)})


def pop_stash(session: SessionFile, wanted: PopStash, key: str | None) -> Picked:
    """Repeat what was set aside on the branch's tip, and take it off the list."""
    target = ""

    def plan(state: State) -> Sequence[Draft]:
        nonlocal target
        session.check_open()
        found = _found(state, wanted.id)
        target = wanted.branch or (found["branch"] if found["branch"] in state.refs else state.head)
        tip = session.tip(state, target)
        record = Draft("custom", records.data(records.UNSTASH, stash=found["id"]),
                       own={"branch": target})  # fmt: skip
        if wanted.drop:
            return after([], tip, record)
        walker, nodes = Walker(session), []
        for node in walker.back(session.node(found["tip"])):
            if node.id == found["base"]:
                break
            nodes.append(node)
        chosen = [node for node in reversed(nodes) if worth_copying(node)]
        return after(list(copies(session, chosen, target)), tip, record)

    lines, before = session.change(plan, key, digest("pop", wanted))
    if before:
        return _picked_before(session, lines[-1])
    made = {line.copy_of or "": line.id for line in lines[:-1]}
    return Picked(branch=target, tip=lines[-1].id, entries=made)


def list_stash(session: SessionFile) -> Stash:
    """What was set aside, oldest first."""
    return Stash(stash=tuple(stashed(one) for one in session.state.stash))


def stashed(facts: dict[str, Any]) -> Stashed:
    """One of them as it is told."""
    return Stashed(
        id=facts["id"],
        branch=str(facts.get("branch", "")),
        base=facts.get("base"),
        tip=facts.get("tip"),
        note=str(facts.get("note", "")),
    )


def _found(state: State, ident: str | None) -> dict[str, Any]:
    one: dict[str, Any]
    for one in reversed(state.stash):
        if ident in (None, one["id"]):
            return one
    raise MesoError(
        "stash.not_found",
        f"nothing was set aside as {ident}" if ident else "nothing was set aside",
        status=404,
        hint="GET …/stash lists what was",
    )


def _picked_before(session: SessionFile, record: Line) -> Picked:
    """The answer again, read from what the first request wrote."""
    made: dict[str, str] = {}
    walker = Walker(session)
    for node in walker.back(session.node(record.parent) if record.parent else None):
        line = session.line(node)
        if line.own.get("pending") is not True or line.branch != record.branch:
            break
        made[line.copy_of or ""] = line.id
    return Picked(branch=record.branch or "", tip=record.id, entries=dict(reversed(made.items())))


def _with_pairs(session: SessionFile, nodes: list[Node]) -> list[Node]:
    """The entries in their own order, with the other half of each tool call among them."""
    chosen = {node.seq: node for node in nodes}
    for node in nodes:
        line = session.line(node)
        if calls := calls_in(line):
            for child in _results_after(session, node, calls):
                chosen[child.seq] = child
        if answered := results_in(line):
            for parent in Walker(session).back(node):
                if calls_in(session.line(parent)) & answered:
                    others = calls_in(session.line(parent))
                    chosen[parent.seq] = parent
                    chosen |= {c.seq: c for c in _results_after(session, parent, others)}
                    break
    return [chosen[seq] for seq in sorted(chosen)]


def _results_after(session: SessionFile, call: Node, wanted: set[str]) -> Iterator[Node]:
    """The entries behind a call that answer it, wherever they hang."""
    left = set(wanted)
    seq = call.seq
    for _ in range(20):
        run = session.index.after(session.n, seq, 200)
        for node in run:
            if node.kind.startswith("message:") and node.kind != "message:assistant":
                answered = results_in(session.line(node)) & left
                if answered:
                    left -= answered
                    yield node
        if not left or not run:
            return
        seq = run[-1].seq
