"""Take in a session of another instance. What was interrupted is only asked for again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from meso_services.contract.sync import Received, ReceivedBranch
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import entries, records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import Draft, SessionFile
from meso_services.session_manager.state import State
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.sync.parcel import Parcel
from meso_services.session_manager.sync.plan import Plan, plan
from meso_services.session_manager.tree.branches import MOST_BRANCHES

MOST_LINES, MOST_BYTES = 2000, 16 << 20
KEPT = ("copy", "merged")


def receive(
    store: SessionStore, deleted: Sequence[str], parcel: Parcel, *, dry_run: bool
) -> Received:
    """Raises `session.deleted`, `session.collision`, `branch.too_many`, `storage.*`."""
    if parcel.session in deleted:
        raise MesoError(
            "session.deleted",
            f"session {parcel.session} was deleted here",
            status=409,
            hint="undelete it first, if it is wanted again",
        )
    try:
        session = store.get(parcel.session)
    except MesoError as problem:
        if problem.code != "session.not_found":
            raise
        return _whole(store, parcel, dry_run=dry_run)
    with session.lock:
        session.check_current()
        wanted = plan(session, parcel)
        if len(session.state.refs) + len(wanted.branches) > MOST_BRANCHES:
            raise MesoError(
                "branch.too_many",
                f"session {session.id} would have more than {MOST_BRANCHES} branches",
                status=409,
                hint="delete some: their entries stay",
            )
        if not dry_run:
            _apply(session, parcel, wanted)
        return Received(
            session=session.id,
            name=session.state.name,
            created=False,
            archived=session.archived,
            entries=len(wanted.parents),
            branches=tuple(wanted.branches),
            dry_run=dry_run,
        )


def _whole(store: SessionStore, parcel: Parcel, *, dry_run: bool) -> Received:
    """The session is not here: take it as it is."""
    if not dry_run:
        header = {**parcel.header, "version": entries.VERSION}
        store.take_in(header, (entries.entry_line(line) for line in parcel.lines()))
        if parcel.archived:
            store.archive(parcel.session, archived=True)
    return Received(
        session=parcel.session,
        name=parcel.name,
        created=True,
        archived=parcel.archived,
        entries=parcel.entries,
        branches=tuple(
            ReceivedBranch(name=name, theirs=name, tip=tip, how="new")
            for name, tip in parcel.refs.items()
        ),
        dry_run=dry_run,
    )


def _apply(session: SessionFile, parcel: Parcel, wanted: Plan) -> None:
    """Write the new entries in pieces. A branch moves with its last entry and not before, so that
    a power cut leaves branches that are whole, old or new.
    """
    ends: dict[str, str] = {}
    later: list[ReceivedBranch] = []
    for branch in wanted.branches:
        if branch.tip in wanted.parents and branch.tip not in ends:
            ends[branch.tip] = branch.name
        else:
            later.append(branch)
    belongs = _belongs(ends, wanted)
    for piece in _pieces(_drafts(_each_once(parcel, wanted), ends, belongs)):
        session.change(_same(piece))
    for branch in later:
        session.change(_moved(branch))


def _each_once(parcel: Parcel, wanted: Plan) -> Iterator[Line]:
    """The new entries. A second one of an id, which only a foreign hand can write, counts not."""
    written: set[str] = set()
    for line in parcel.lines():
        if line.id in wanted.parents and line.id not in written:
            written.add(line.id)
            yield line


def _belongs(ends: dict[str, str], wanted: Plan) -> dict[str, str]:
    """The branch of each new entry that a branch leads to over first parents."""
    found: dict[str, str] = {}
    for tip, name in ends.items():
        at: str | None = tip
        while at is not None and at in wanted.parents and at not in found:
            found[at] = name
            at = next(iter(wanted.parents[at]), None)
    return found


def _drafts(
    lines: Iterable[Line], ends: dict[str, str], belongs: dict[str, str]
) -> Iterator[Draft]:
    for line in lines:
        own: dict[str, Any] = {name: line.own[name] for name in KEPT if name in line.own}
        if line.id in ends:
            own |= {"branch": ends[line.id], "synced": True}
        else:
            own |= {"branch": belongs.get(line.id, line.branch or "main"), "pending": True}
        yield Draft(line.type, line.data, line.parent, own, line.timestamp, ident=line.id)


def _pieces(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    piece: list[Draft] = []
    size = 0
    for draft in drafts:
        piece.append(draft)
        size += len(str(draft.data))
        if len(piece) >= MOST_LINES or size >= MOST_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _same(piece: list[Draft]) -> Any:
    def write(_state: State) -> list[Draft]:
        return piece

    return write


def _moved(branch: ReceivedBranch) -> Any:
    """A branch of theirs that ends at an entry which another branch brought."""

    def write(state: State) -> list[Draft]:
        facts = {"from": state.refs.get(branch.name), "to": branch.tip, "why": "sync"}
        return [Draft("custom", records.data(records.RESET, **facts), branch.tip,
                      {"branch": branch.name})]  # fmt: skip

    return write
