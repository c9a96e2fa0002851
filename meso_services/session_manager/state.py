"""What a session's lines say, folded in order: its branches, its name, its variables.

The fold needs nothing but the lines, so a state can be had of any point of the file: what is
kept beside the index, what a replay shows and what a rebuilt index holds are the same function.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from meso_services.session_manager import records
from meso_services.session_manager.entries import Line

MAIN = "main"


@dataclass
class State:
    """A session after `count` entries and `size` bytes.

    `refs` maps a branch to the id of its newest entry (None: it has none yet). `dropped` are
    branches that were deleted, with the entry that they stood at. `stash` is oldest first.
    """

    size: int = 0
    count: int = 0
    damaged: int = 0
    name: str | None = None
    head: str = MAIN
    refs: dict[str, str | None] = field(default_factory=lambda: {MAIN: None})
    dropped: dict[str, str | None] = field(default_factory=dict)
    newest: str | None = None
    updated: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    stash: list[dict[str, Any]] = field(default_factory=list)

    def branch_of(self, line: Line) -> str:
        """The branch that the line belongs to, whether it says so or not.

        A line that says nothing goes on where its parent is the tip: the branch that is worked
        on, else another one. Where its parent is no tip it begins a branch of its own.
        """
        if line.branch is not None:
            return line.branch
        if self.refs.get(self.head) == line.parent:
            return self.head
        for name, tip in self.refs.items():
            if tip == line.parent:
                return name
        return f"at-{self.count}"

    def add(self, line: Line) -> str:
        """Take a line into account and return its branch.

        A line that is `pending` moves no branch: the last line of what it belongs to does, so
        that half of it after a power cut is as good as none.
        """
        if line.own.get("pending") is True:
            self.count += 1
            return line.branch or self.head
        branch = self.branch_of(line)
        if line.branch is None:
            self.head = branch
        self.refs[branch] = line.id
        self.count += 1
        self.newest = line.id
        self.updated = line.timestamp
        if line.own.get("synced") is True:
            # From another instance: its branch goes on, and what is worked on here stays.
            self.dropped.pop(branch, None)
            return branch
        if line.type == "session_info" and isinstance(line.data.get("name"), str | None):
            self.name = line.data.get("name")
        elif line.type == "custom" and (kind := records.kind_of(line.type, line.data)):
            self._record(kind, records.facts(line.data), line, branch)
        return branch

    @property
    def leaf(self) -> str | None:
        """The newest entry of the branch that is worked on."""
        return self.refs.get(self.head)

    def dumped(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def loaded(cls, text: str) -> State:
        """From what `dumped` gave."""
        return cls(**json.loads(text))

    def _record(self, kind: str, facts: dict[str, Any], line: Line, branch: str) -> None:
        match kind:
            case records.BRANCH | records.HEAD | records.RENAME | records.DROP | records.RESTORE:
                self._branches(kind, facts, branch)
            case records.STASH:
                self.stash.append({"id": line.id, "branch": branch, **facts})
            case records.UNSTASH:
                self.stash = [one for one in self.stash if one["id"] != facts.get("stash")]
            case _:
                pass
        if kind in (records.STATE, records.RESTORE):
            self._variables(facts)

    def _branches(self, kind: str, facts: dict[str, Any], branch: str) -> None:
        match kind:
            case records.BRANCH:
                self.dropped.pop(branch, None)
                if facts.get("switch") is True:
                    self.head = branch
            case records.RENAME:
                self._rename(branch, facts.get("to"))
            case records.DROP:
                self._drop(branch)
            case records.RESTORE if isinstance(kept := facts.get("keep"), str):
                # One line for all of it: a power cut leaves the whole or nothing.
                self.refs[kept] = facts.get("from")
                self.head = branch
            case _:
                self.head = branch

    def _drop(self, branch: str) -> None:
        if len(self.refs) > 1:
            self.dropped[branch] = self.refs.pop(branch)
            if self.head == branch:
                self.head = next(iter(self.refs))

    def _rename(self, old: str, new: object) -> None:
        if not isinstance(new, str) or new in self.refs:
            return
        # In place: the order of branches is that of their creation.
        self.refs = {new if name == old else name: tip for name, tip in self.refs.items()}
        if self.head == old:
            self.head = new

    def _variables(self, facts: dict[str, Any]) -> None:
        changed, gone = facts.get("set"), facts.get("unset")
        if isinstance(changed, dict):
            self.variables |= changed
        for name in gone if isinstance(gone, list) else ():
            self.variables.pop(name, None)
