"""Where a request points to: an entry, a message of a branch by its number, or a branch's tip."""

from __future__ import annotations

from meso_services.contract.branches import At, Moved
from meso_services.contract.session import Entry
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.state import State
from meso_services.session_manager.tree.walk import at_message


def tip_node(session: SessionFile, state: State, branch: str | None) -> Node | None:
    """The newest entry of a branch, the current one if None. Raises `branch.not_found`."""
    tip = session.tip(state, branch or state.head)
    return None if tip is None else session.node(tip)


def place(session: SessionFile, state: State, at: At) -> Node | None:
    """The entry that `at` points to; None is before the first one. Raises `entry.*`, `branch.*`."""
    if at.at is not None:
        return session.node(at.at)
    tip = tip_node(session, state, at.of)
    return tip if at.message is None else at_message(session, tip, at.message)


def ident(node: Node | None) -> str | None:
    """The entry's id."""
    return node.id if node else None


def moved(session: SessionFile, branch: str, lines: list[Line], *, changed: bool = True) -> Moved:
    """What a change came to."""
    state = session.state
    entry: Entry | None = lines[-1].entry if lines else None
    return Moved(
        branch=branch, head=state.head, tip=state.refs.get(branch), entry=entry, changed=changed
    )
