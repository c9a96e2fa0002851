"""What is said about entries: labels (Pi's own type) and notes."""

from __future__ import annotations

from collections.abc import Sequence

from meso_services.contract.branches import AddNote, LabelEntry, Marks, Note
from meso_services.contract.session import Entry
from meso_services.session_manager import records
from meso_services.session_manager.file import Draft, SessionFile, digest
from meso_services.session_manager.state import State

MOST_NOTES = 1000


def label(session: SessionFile, wanted: LabelEntry, key: str | None) -> Entry:
    """Label an entry, or take its label away."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        session.node(wanted.target)
        branch = wanted.branch or state.head
        data = {"targetId": wanted.target}
        if wanted.label is not None:
            data["label"] = wanted.label
        own = {} if branch == state.head else {"branch": branch}
        return [Draft("label", data, session.tip(state, branch), own)]

    lines, _ = session.change(plan, key, digest("label", wanted))
    return lines[-1].entry


def note(session: SessionFile, wanted: AddNote, key: str | None) -> Entry:
    """Keep a remark on an entry."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        session.node(wanted.target)
        data = records.data(records.NOTE, targetId=wanted.target, text=wanted.text)
        return [Draft("custom", data, state.leaf)]

    lines, _ = session.change(plan, key, digest("note", wanted))
    return lines[-1].entry


def show(session: SessionFile) -> Marks:
    """All labels, of each entry the newest, and the newest notes."""
    with session.lock:
        session.check_current()
        n, index = session.n, session.index
        newest = index.rows(
            "SELECT target, max(seq) FROM marks WHERE n=? AND kind='label' GROUP BY target", (n,)
        )
        remarks = index.rows(
            "SELECT seq FROM (SELECT seq FROM marks WHERE n=? AND kind='note'"
            " ORDER BY seq DESC LIMIT ?) ORDER BY seq",
            (n, MOST_NOTES),
        )
        nodes = [index.node(n, seq) for _, seq in newest]
        noted = [index.node(n, seq) for (seq,) in remarks]
    labels = {}
    for (target, _), line in zip(newest, session.lines(nodes), strict=True):
        if isinstance(value := line.data.get("label"), str):
            labels[target] = value
    return Marks(labels=labels, notes=tuple(_note(line.entry) for line in session.lines(noted)))


def _note(entry: Entry) -> Note:
    said = records.facts(entry.data)
    return Note(
        id=entry.id,
        target=str(said.get("targetId", "")),
        timestamp=entry.timestamp,
        text=str(said.get("text", "")),
    )
