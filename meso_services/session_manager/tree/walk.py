"""Ways through a session's graph, without reading the entries themselves."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from meso_services.runtime.errors import MesoError
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.index.index import Node

CHUNK = 512
OURS, THEIRS = 1, 2


class Walker:
    """Reads nodes by runs: most parents stand right before their children."""

    def __init__(self, session: SessionFile) -> None:
        self._session = session
        self._near: dict[int, Node] = {}

    def node(self, seq: int) -> Node:
        """The node at a place."""
        found = self._near.get(seq)
        if found is None:
            first = max(0, seq - CHUNK + 1)
            run = self._session.index.after(self._session.n, first - 1, seq - first + 1)
            if len(self._near) > 64 * CHUNK:
                self._near.clear()
            self._near.update((node.seq, node) for node in run)
            found = self._near[seq]
        return found

    def back(self, node: Node | None) -> Iterator[Node]:
        """From an entry to its root, over first parents."""
        while node is not None:
            yield node
            node = None if node.parent is None else self.node(node.parent)

    def parents(self, node: Node) -> Iterator[int]:
        """All parents, of merges too."""
        if node.parent is not None:
            yield node.parent
        if node.merged:
            yield from self._session.index.merged(self._session.n, node.seq)


@dataclass(frozen=True)
class Sides:
    """Two places and what separates them. The ways are over first parents, oldest first."""

    base: Node | None
    ours: tuple[Node, ...]
    theirs: tuple[Node, ...]


def sides(session: SessionFile, ours: Node | None, theirs: Node | None) -> Sides:
    """The best common ancestor of two entries, and what only one of them descends from.

    Entries are taken newest first, each marked with the sides that reach it. A parent always
    stands before its child in the file, so an entry has all its marks when it is taken, and the
    first one that both reach is an ancestor of no other that both reach. The time is that of the
    way back to where the sides meet, not of the session.
    """
    walker = Walker(session)
    marks: dict[int, int] = {}
    waiting: list[int] = []
    for node, side in ((ours, OURS), (theirs, THEIRS)):
        if node is not None:
            if node.seq not in marks:
                heapq.heappush(waiting, -node.seq)
            marks[node.seq] = marks.get(node.seq, 0) | side
    open_sides = sum(mark != OURS | THEIRS for mark in marks.values())
    base: Node | None = None
    while waiting and (open_sides or base is None):
        seq = -heapq.heappop(waiting)
        mark = marks[seq]
        open_sides -= mark != OURS | THEIRS
        node = walker.node(seq)
        if mark == OURS | THEIRS and base is None:
            base = node
        for parent in walker.parents(node):
            before = marks.get(parent)
            if before is None:
                heapq.heappush(waiting, -parent)
                open_sides += mark != OURS | THEIRS
            elif before != OURS | THEIRS and before | mark == OURS | THEIRS:
                open_sides -= 1
            marks[parent] = (before or 0) | mark
    return Sides(base, _way(walker, ours, marks, OURS), _way(walker, theirs, marks, THEIRS))


def _way(walker: Walker, tip: Node | None, marks: dict[int, int], side: int) -> tuple[Node, ...]:
    way = []
    for node in walker.back(tip):
        if marks.get(node.seq) != side:
            break
        way.append(node)
    return tuple(reversed(way))


def is_ancestor(session: SessionFile, old: Node, new: Node | None) -> bool:
    """True if `old` is on the way from `new` to its root, over first parents. O(log depth)."""
    return new is not None and old.depth <= new.depth and at_depth(session, new, old.depth) == old


def at_depth(session: SessionFile, node: Node, depth: int) -> Node:
    """The ancestor at this depth (1 is the root), by jumps."""
    index, n = session.index, session.n
    while node.depth > depth:
        jump = index.node(n, node.jump)
        node = jump if jump.depth >= depth else index.node(n, node.parent or 0)
    return node


def at_message(session: SessionFile, tip: Node | None, number: int) -> Node | None:
    """The newest entry with so many messages on the way to it; None for 0. By jumps.

    Raises `entry.no_such_message`.
    """
    if tip is None or tip.messages < number:
        raise MesoError(
            "entry.no_such_message",
            f"there are {tip.messages if tip else 0} messages, so none has the number {number}",
            status=404,
            hint="GET …/branches tells the number of messages of each branch",
        )
    if number == 0:
        return None
    index, n, node = session.index, session.n, tip
    while True:
        parent = None if node.parent is None else index.node(n, node.parent)
        if parent is None or parent.messages < number:
            return node
        jump = index.node(n, node.jump)
        node = jump if jump.messages >= number else parent
