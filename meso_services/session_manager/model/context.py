"""What to send to a model: the way to a branch's tip, within a budget, by the API's rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from meso_services.contract.context import Context
from meso_services.session_manager import records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.index.derive import CHARACTERS, tokens
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.model.parts import calls_in, is_request, results_in, said
from meso_services.session_manager.model.rules import mend
from meso_services.session_manager.tree.places import ident, tip_node
from meso_services.session_manager.tree.walk import Walker, is_ancestor

READ_AHEAD = 64


@dataclass(frozen=True)
class Chosen:
    """The entries of a context, oldest first; `left_out` counts messages that are not in it."""

    lines: tuple[Line, ...]
    compaction: Node | None
    system: Line | None
    left_out: int
    over: bool


def context(session: SessionFile, branch: str | None, budget: int) -> Context:
    """The context of a branch. Raises `branch.not_found`, `session.changed`."""
    with session.lock:
        state = session.state
        name = branch or state.head
        tip = tip_node(session, state, name)
    chosen = choose(session, tip, budget)
    spoken = [one for line in chosen.lines if (one := said(line)) is not None]
    if chosen.system is not None and (own := said(chosen.system)) is not None:
        spoken.insert(0, own)
    mended = mend(spoken)
    size = measure(mended.messages) + int(len(mended.system) / CHARACTERS)
    return Context(
        session=session.id,
        branch=name,
        tip=ident(tip),
        system=mended.system,
        messages=tuple(mended.messages),
        tokens=size,
        budget=budget,
        left_out=chosen.left_out,
        compaction=ident(chosen.compaction),
        over_budget=chosen.over,
        mended=tuple(mended.notes),
    )


def measure(messages: Sequence[object]) -> int:
    """An estimate of the tokens of some messages."""
    return int(len(json.dumps(messages, ensure_ascii=False)) / CHARACTERS)


def choose(session: SessionFile, tip: Node | None, budget: int) -> Chosen:
    """The newest entries that fit, after the summary of the newest compaction on the way.

    Only what fits is read. The cut falls where a request begins; when the last request alone is
    too large, it stays and its oldest steps go. A step is an answer with its tool results.
    """
    if tip is None:
        return Chosen((), None, None, 0, over=False)
    index, n = session.index, session.n
    system = session.line(index.node(n, tip.system)) if tip.system is not None else None
    compaction = index.node(n, tip.compaction) if tip.compaction is not None else None
    first = _first_kept(session, compaction)
    room = budget - (tokens(system) if system else 0)
    summary: list[Line] = []
    if compaction is not None:
        summary = [session.line(compaction)]
        room -= tokens(summary[0])
    newest, whole = _newest(session, tip, compaction, first, room)
    kept, over = (newest, False) if whole else fitted(newest, room)
    # What a summary stands for is in the context by it, and is not counted as left out.
    known = first.messages - first.kind.startswith("message:") if first else 0
    known += system is not None and (first is None or (tip.system or 0) >= first.seq)
    left_out = max(0, tip.messages - known - sum(line.type == "message" for line in kept))
    edited = _edited([line for line in kept if line.type != "compaction"])
    return Chosen((*summary, *edited), compaction, system, left_out, over)


def _first_kept(session: SessionFile, compaction: Node | None) -> Node | None:
    if compaction is None:
        return None
    kept = session.line(compaction).data.get("firstKeptEntryId")
    found = session.index.find(session.n, kept) if isinstance(kept, str) else None
    return found if found is not None and is_ancestor(session, found, compaction) else compaction


def _newest(
    session: SessionFile, tip: Node, compaction: Node | None, first: Node | None, room: int
) -> tuple[list[Line], bool]:
    """Entries from the tip back, until there are more than fit; and whether that is all of them."""
    found: list[Line] = []
    run: list[Node] = []
    size = 0
    whole = True
    for node in Walker(session).back(tip):
        if first is not None and node.seq < first.seq:
            break
        if node != compaction and node.kind != "message:system" and _speaks(node):
            run.append(node)
        if len(run) >= READ_AHEAD:
            size += _read(session, run, found)
            if size > room and any(is_request(line) for line in found):
                whole = False
                break
    size += _read(session, run, found)
    found.reverse()
    return found, whole and size <= room


def _speaks(node: Node) -> bool:
    return not node.kind.startswith(records.PREFIX) and node.kind not in ("usage", "session_info")


def _read(session: SessionFile, run: list[Node], found: list[Line]) -> int:
    lines = list(session.lines(run))
    run.clear()
    found.extend(lines)
    return sum(tokens(line) for line in lines)


def fitted(lines: Sequence[Line], room: int) -> tuple[list[Line], bool]:
    """The newest whole turns that fit into `room` tokens; and whether even the least is too much.

    The last request is always there. No call is parted from its results.
    """
    starts = [place for place, line in enumerate(lines) if is_request(line)]
    sizes = [tokens(line) for line in lines]
    if not starts:
        return _steps(lines, sizes, room)
    behind = _behind(sizes)
    for start in starts:
        if behind[start] <= room:
            return list(lines[start:]), False
    last = starts[-1]
    steps, over = _steps(lines[last + 1 :], sizes[last + 1 :], room - sizes[last])
    return [lines[last], *steps], over


def _steps(lines: Sequence[Line], sizes: Sequence[int], room: int) -> tuple[list[Line], bool]:
    """The newest steps that fit, at least one."""
    cuts = [place for place in range(len(lines)) if _begins_step(lines, place)]
    behind = _behind(sizes)
    for cut in cuts:
        if behind[cut] <= room:
            return list(lines[cut:]), False
    return (list(lines[cuts[-1] :]), True) if cuts else ([], room < 0)


def _behind(sizes: Sequence[int]) -> list[int]:
    """For each place, the size of it and all behind it."""
    return list(accumulate(reversed(sizes)))[::-1]


def _begins_step(lines: Sequence[Line], place: int) -> bool:
    """True where a cut parts no call from its results."""
    before = {call for line in lines[:place][-READ_AHEAD:] for call in calls_in(line)}
    behind = {call for line in lines[place:][:READ_AHEAD] for call in results_in(line)}
    return not before & behind


def _edited(lines: Iterable[Line]) -> list[Line]:
    """With the edits of context applied: entries of the type `context_edit`."""
    whole = list(lines)
    edits = {line.data.get("targetId"): line.data.get("replacement") for line in whole
             if line.type == "context_edit"}  # fmt: skip
    shown = []
    for line in whole:
        if line.type == "context_edit":
            continue
        if line.id not in edits:
            shown.append(line)
        elif edits[line.id] is not None:
            shown.append(_replaced(line, edits[line.id]))
    return shown


def _replaced(line: Line, replacement: object) -> Line:
    message = line.data.get("message")
    if not isinstance(message, dict):
        return line
    if isinstance(replacement, dict) and "role" in replacement:
        changed = replacement
    else:
        changed = {**message, "content": replacement}
    data = {**line.data, "message": changed}
    return Line(line.id, line.parent, line.type, line.timestamp, data, line.own)
