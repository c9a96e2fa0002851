"""What a session of another instance means for the branches here. Nothing is written.

A branch that only went on there goes on here. One that went its own way on both sides becomes two:
theirs gets a name of its own, `NAME.sync-…`. Nothing here is moved back or overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from meso_services.contract.sync import ReceivedBranch
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.state import State
from meso_services.session_manager.sync.parcel import EMPTIED, Parcel
from meso_services.session_manager.tree.walk import sides

COMPARED = 500


@dataclass
class Plan:
    """`parents` has every entry that is new here, with its parents."""

    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    branches: list[ReceivedBranch] = field(default_factory=list)


def plan(session: SessionFile, parcel: Parcel) -> Plan:
    """Raises `session.collision`. The caller holds the session's lock."""
    made = Plan()
    for line in _new(session, parcel):
        made.parents[line.id] = (*((line.parent,) if line.parent else ()), *line.merged)
    names = _Names(session, session.state, made)
    for name, tip in parcel.refs.items():
        if tip is not None and (found := names.decide(name, tip)) is not None:
            made.branches.append(found)
    return made


def _new(session: SessionFile, parcel: Parcel) -> Iterator[Line]:
    """The entries that are not here; those that are must say the same."""
    every = parcel.lines()
    while lines := list(islice(every, COMPARED)):
        known = [(line, node) for line in lines
                 if (node := session.index.find(session.n, line.id)) is not None]  # fmt: skip
        for (theirs, _), ours in zip(known, session.lines([n for _, n in known]), strict=True):
            _check_same(session, ours, theirs)
        here = {line.id for line, _ in known}
        for line in lines:
            if line.id not in here:
                yield line


def _check_same(session: SessionFile, ours: Line, theirs: Line) -> None:
    same = (ours.type, ours.parent, ours.timestamp) == (
        theirs.type,
        theirs.parent,
        theirs.timestamp,
    )
    if records.kind_of(ours.type, ours.data) not in EMPTIED:
        same = same and ours.data == theirs.data
    if not same:
        raise MesoError(
            "session.collision",
            f"entry {ours.id} of session {session.id} says something else there than here",
            status=409,
            hint="one of the two files was changed by hand; nothing was taken in",
            detail={"entry": ours.id},
        )


class _Names:
    """Finds what each of their branches is here."""

    def __init__(self, session: SessionFile, state: State, made: Plan) -> None:
        self._session, self._made = session, made
        self._refs = dict(state.refs)
        self._dropped = state.dropped

    def decide(self, name: str, tip: str) -> ReceivedBranch | None:
        """None when there is nothing to do."""
        new = tip in self._made.parents
        if not new and self._is_here(name, tip):
            return None
        if name not in self._refs:
            return self._taken(name, name, tip, "new")
        if self._contains(tip, self._refs[name]):
            return self._taken(name, name, tip, "forwarded")
        if not new:
            return None
        side = f"{name[:100]}.sync-"
        for other, at in self._refs.items():
            if other.startswith(side) and self._contains(tip, at):
                return self._taken(other, name, tip, "forwarded")
        return self._taken(self._free(f"{side}{tip[:12]}"), name, tip, "beside")

    def _is_here(self, name: str, tip: str) -> bool:
        """An entry that is here already needs a branch only where none leads to it."""
        if name in self._refs:
            return self._refs[name] == tip or not self._contains(tip, self._refs[name])
        return name in self._dropped or any(
            at is not None and self._contains(at, tip) for at in self._refs.values()
        )

    def _taken(self, name: str, theirs: str, tip: str, how: str) -> ReceivedBranch:
        self._refs[name] = tip
        return ReceivedBranch.model_validate(
            {"name": name, "theirs": theirs, "tip": tip, "how": how}
        )

    def _free(self, name: str) -> str:
        number, found = 1, "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-"
                                   for c in name)  # fmt: skip
        base = found
        while found in self._refs:
            number += 1
            found = f"{base}-{number}"
        return found

    def _contains(self, tip: str, old: str | None) -> bool:
        """Does everything that leads to `old` lead to `tip`, too?"""
        if old is None or old == tip:
            return True
        if old in self._made.parents:
            return old in self._above(tip)
        return any(self._reaches(known, old) for known in self._frontier(tip))

    def _above(self, tip: str) -> set[str]:
        seen, rest = {tip}, [tip]
        while rest:
            for parent in self._made.parents.get(rest.pop(), ()):
                if parent not in seen:
                    seen.add(parent)
                    rest.append(parent)
        return seen

    def _frontier(self, tip: str) -> list[str]:
        """The entries that are here and that the way to a new one begins at."""
        return [one for one in self._above(tip) if one not in self._made.parents]

    def _reaches(self, new: str, old: str) -> bool:
        index, n = self._session.index, self._session.n
        one, other = index.find(n, new), index.find(n, old)
        if one is None or other is None:
            return False
        base = sides(self._session, one, other).base
        return base is not None and base.id == old
