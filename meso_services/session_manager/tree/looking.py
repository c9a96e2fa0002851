"""Reading a session in other orders than its file's: a branch's log, two sides, a point in time."""

from __future__ import annotations

from itertools import islice

from meso_services.contract.branches import Difference, Family, LogPage, Replayed
from meso_services.contract.session import Entry
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import entries
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.lines import no_entry
from meso_services.session_manager.state import State
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tree.copies import stashed, worth_copying
from meso_services.session_manager.tree.places import ident, tip_node
from meso_services.session_manager.tree.walk import Walker, sides

GENERATIONS = 10_000


def log(session: SessionFile, branch: str | None, before: str | None, limit: int) -> LogPage:
    """The way to a branch's tip, newest first; or on from an entry."""
    with session.lock:
        state = session.state
        if before is None:
            start = tip_node(session, state, branch)
        else:
            node = session.node(before)
            start = None if node.parent is None else session.index.node(session.n, node.parent)
    found = list(islice(Walker(session).back(start), limit + 1))
    lines = tuple(line.entry for line in session.lines(found[:limit]))
    return LogPage(entries=lines, next=lines[-1].id if len(found) > limit else None)


def difference(session: SessionFile, old: str, new: str, limit: int) -> Difference:
    """What each of two places has that the other has not. A place is a branch or an entry."""
    with session.lock:
        state = session.state
        places = [_named(session, state, name) for name in (old, new)]
    apart = sides(session, *places)
    ours, theirs = (_shown(session, way, limit) for way in (apart.ours, apart.theirs))
    return Difference(
        base=ident(apart.base),
        only_from=ours[0],
        only_to=theirs[0],
        more_from=ours[1],
        more_to=theirs[1],
    )


def replay(session: SessionFile, at: str | None, time: str | None, limit: int) -> Replayed:
    """The session as it was: fold its file again up to an entry, or to a moment.

    This does not ask the index, only the file, so it also shows what the index should hold.
    """
    state, seen = State(), set[str]()
    with session.path.open("rb") as source:
        source.readline()
        for raw in source:
            line = entries.parse_entry(raw)
            if line is None or line.id in seen:
                continue
            if time is not None and line.timestamp > time:
                break
            seen.add(line.id)
            state.add(line)
            if line.id == at:
                break
    if at is not None and at not in seen:
        raise no_entry(session.id, at)
    tip = session.node(state.newest) if state.newest else None
    way = list(islice(Walker(session).back(tip), limit))
    return Replayed(
        at=state.newest,
        seq=state.count - 1,
        timestamp=state.updated,
        name=None if state.name is None else entries.shown(state.name),
        head=state.head,
        branches=dict(state.refs),
        variables=dict(state.variables),
        stash=tuple(stashed(one) for one in state.stash),
        path=tuple(line.entry for line in session.lines(list(reversed(way)))),
    )


def family(store: SessionStore, ident: str) -> Family:
    """The sessions that one descends from, and those that descend from it."""
    session = store.get(ident)
    above: list[SessionFile] = []
    seen, current = {ident}, session
    while isinstance(parent := current.header.get("parentSession"), str) and parent not in seen:
        seen.add(parent)
        try:
            current = store.get(parent)
        except MesoError:
            # A file of another program may name a parent that is not here.
            break
        above.append(current)
    children: dict[str, list[SessionFile]] = {}
    for one in store.all():
        if isinstance(parent := one.header.get("parentSession"), str):
            children.setdefault(parent, []).append(one)
    below: list[SessionFile] = []
    waiting = [ident]
    while waiting and len(below) < GENERATIONS:
        for child in sorted(children.pop(waiting.pop(0), ()), key=lambda one: one.path.name):
            below.append(child)
            waiting.append(child.id)
    return Family(
        session=session.describe(),
        ancestors=tuple(one.describe() for one in above),
        children=tuple(one.describe() for one in below),
    )


def _named(session: SessionFile, state: State, name: str) -> Node | None:
    if name in state.refs:
        return tip_node(session, state, name)
    found = session.index.find(session.n, name)
    if found is None:
        session.tip(state, name)
    return found


def _shown(
    session: SessionFile, way: tuple[Node, ...], limit: int
) -> tuple[tuple[Entry, ...], int]:
    spoken = [node for node in way if worth_copying(node)]
    shown = tuple(line.entry for line in session.lines(spoken[:limit]))
    return shown, len(spoken) - len(shown)
