"""Merge: what is new on one branch comes to another, three-way over their common ancestor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from meso_services.contract.branches import Conflict, Merge, Merged
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import Draft, SessionFile, digest
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.model.parts import is_request
from meso_services.session_manager.model.summarise import Summariser, Summary
from meso_services.session_manager.state import State
from meso_services.session_manager.tree.copies import after, copies, worth_copying
from meso_services.session_manager.tree.places import ident, tip_node
from meso_services.session_manager.tree.walk import Sides, sides

ADDS = ("extract", "summarise")


@dataclass(frozen=True)
class Plan:
    """What a merge would write, and what it would say about it."""

    source: str
    target: str
    apart: Sides
    ours: Node | None
    theirs: Node | None
    strategy: str
    # The entry after which it is written, and what of each side is repeated, in order.
    parent: str | None
    repeat: tuple[Node, ...] = ()
    added: int = 0
    repeated: int = 0
    conflicts: tuple[Conflict, ...] = ()
    summary: Summary = field(default_factory=lambda: Summary("", ""))

    @property
    def nothing(self) -> bool:
        """There is nothing new to bring over."""
        return self.strategy == "none"


def plan(session: SessionFile, wanted: Merge) -> Plan:
    """Look at both sides. Raises `branch.*`, `session.archived`; nothing is written."""
    session.check_open()
    with session.lock:
        state = session.state
        target = wanted.target or state.head
        if wanted.source == target:
            raise MesoError(
                "merge.same_branch", f"{target} cannot be merged into itself", status=422
            )
        theirs, ours = (tip_node(session, state, name) for name in (wanted.source, target))
    apart = sides(session, ours, theirs)
    new = [node for node in apart.theirs if worth_copying(node)]
    if not new:
        return Plan(wanted.source, target, apart, ours, theirs, "none", ident(ours))
    found = Plan(
        wanted.source,
        target,
        apart,
        ours,
        theirs,
        wanted.strategy,
        ident(ours),
        added=len(new),
        conflicts=labels_apart(session, apart),
    )
    if wanted.strategy in ADDS:
        return found
    if ours == apart.base:
        # Nothing of its own since they parted: the target goes on where the source is.
        return replace(found, strategy="forward", parent=ident(theirs))
    if wanted.strategy == "append":
        return replace(found, repeat=tuple(new))
    parent, order, repeated = interleaved(session, apart)
    return replace(found, parent=parent, repeat=order, repeated=repeated)


def merge(
    session: SessionFile, found: Plan, wanted: Merge, key: str | None, facts: dict[str, Any]
) -> tuple[list[Line], bool]:
    """Write what was planned, as one piece. Raises `branch.moved` if a branch got entries since."""

    def write(state: State) -> Sequence[Draft]:
        session.check_open()
        for name, node in ((found.source, found.theirs), (found.target, found.ours)):
            if session.tip(state, name) != ident(node):
                raise MesoError(
                    "branch.moved",
                    f"branch {name} got entries while the merge was prepared",
                    status=409,
                    hint="ask again",
                )
        record = Draft("custom", records.data(records.MERGE, **_facts(found), **facts),
                       own={"branch": found.target, "merged": _merged(found)})  # fmt: skip
        labels = list(_kept_labels(found))
        if found.strategy in ADDS:
            details = {"branch": found.source, "strategy": found.summary.strategy}
            data = {"fromId": ident(found.theirs), "summary": found.summary.text,
                    "details": details}  # fmt: skip
            summary = Draft("branch_summary", data,
                            own={"branch": found.target, "pending": True})  # fmt: skip
            return after([summary, *labels], found.parent, record)
        turns = list(copies(session, found.repeat, found.target))
        return after([*turns, *labels], found.parent, record)

    return session.change(write, key, digest("merge", wanted))


def summarised(session: SessionFile, found: Plan, summariser: Summariser) -> Summary:
    """What happened on the source since the branches parted."""
    lines = list(session.lines([node for node in found.apart.theirs if worth_copying(node)]))
    head = f"On branch {found.source}:\n\n"
    made = summariser.summary(lines, found.strategy)
    return Summary(head + made.text, made.strategy, made.fallback)


def interleaved(session: SessionFile, apart: Sides) -> tuple[str | None, tuple[Node, ...], int]:
    """Both sides' turns in the order of time: where it begins, what is repeated, how much of ours.

    A turn is a request and all that came of it, so a tool call stays with its results. What of
    the target comes before the first turn of the source stays where it is.
    """
    ours, theirs = (_turns(session, way) for way in (apart.ours, apart.theirs))
    kept = 0
    while kept < len(ours) and (not theirs or ours[kept][0] <= theirs[0][0]):
        kept += 1
    parent = ours[kept - 1][1][-1].id if kept else ident(apart.base)
    rest = sorted([*ours[kept:], *theirs], key=lambda turn: turn[0])
    order = tuple(node for _, nodes in rest for node in nodes if worth_copying(node))
    repeated = sum(worth_copying(node) for _, nodes in ours[kept:] for node in nodes)
    return parent, order, repeated


def _turns(session: SessionFile, way: Sequence[Node]) -> list[tuple[str, list[Node]]]:
    """(time, entries) of each turn. Times never go back, so that no side is put out of order."""
    turns: list[tuple[str, list[Node]]] = []
    for node, line in zip(way, session.lines(way), strict=True):
        if not turns and not worth_copying(node):
            continue
        if is_request(line) or not turns:
            latest = turns[-1][0] if turns else ""
            turns.append((max(latest, line.timestamp), []))
        turns[-1][1].append(node)
    return turns


def labels_apart(session: SessionFile, apart: Sides) -> tuple[Conflict, ...]:
    """Entries before the parting that both sides labelled, each otherwise. The target's stands."""
    ours, theirs = _labels(session, apart.ours), _labels(session, apart.theirs)
    return tuple(
        Conflict(kind="label", name=target, ours=ours[target] or "", theirs=theirs[target] or "")
        for target in sorted(ours.keys() & theirs.keys())
        if ours[target] != theirs[target]
    )


def _kept_labels(found: Plan) -> Iterator[Draft]:
    """The target's label once more where the source's was newer: of labels the newest counts."""
    for conflict in found.conflicts:
        if conflict.kind == "label":
            data = {"targetId": conflict.name}
            if conflict.ours:
                data["label"] = conflict.ours
            yield Draft("label", data, own={"branch": found.target, "pending": True})


def _labels(session: SessionFile, way: Sequence[Node]) -> dict[str, str | None]:
    marks = [node for node in way if node.kind == "label"]
    found: dict[str, str | None] = {}
    for line in session.lines(marks):
        label = line.data.get("label")
        found[str(line.data["targetId"])] = label if isinstance(label, str) else None
    return found


def _merged(found: Plan) -> list[str]:
    """The further parents: the tips of both sides, where the first parent is not one of them."""
    tips = [node.id for node in (found.theirs, found.ours) if node is not None]
    return [tip for tip in tips if tip != found.parent]


def _facts(found: Plan) -> dict[str, Any]:
    return {
        "source": found.source,
        "target": found.target,
        "base": ident(found.apart.base),
        "ours": ident(found.ours),
        "theirs": ident(found.theirs),
        "strategy": found.strategy,
        "added": found.added,
        "repeated": found.repeated,
        "conflicts": [conflict.model_dump(mode="json") for conflict in found.conflicts],
    }


def told(found: Plan, tip: str | None, *, changed: bool) -> Merged:
    """The merge as it is told to a caller."""
    return Merged(
        source=found.source,
        target=found.target,
        strategy=found.summary.strategy or found.strategy,
        fallback=found.summary.fallback,
        base=ident(found.apart.base),
        ours=ident(found.ours),
        theirs=ident(found.theirs),
        tip=tip,
        added=found.added,
        repeated=found.repeated,
        summary=found.summary.text,
        conflicts=found.conflicts,
        changed=changed,
    )
