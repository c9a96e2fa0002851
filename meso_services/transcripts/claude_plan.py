"""A Claude Code transcript as a tree of ours: which record hangs where, and on which branch.

Its own links are not enough. The results of tools that ran at the same time hang each on its
call, and the conversation goes on from one of them, so that the others are no ancestors of what
follows. Here the records of such an answer stand in a row: the calls, then their results, then
what follows. What the file says stays in the record that each entry carries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from meso_services.transcripts.claude_scan import Row, Scan
from meso_services.transcripts.order import ordered
from meso_services.transcripts.report import Report

MAIN = "main"
MOST_BRANCHES = 1000
REST = "others"


@dataclass
class Plan:
    """`order` is that of the entries, a parent before its children; `parents` and `branches` are
    by the number of a record's line. A parent is a line's number too; None is a root.
    """

    order: list[Row] = field(default_factory=list)
    parents: dict[int, int | None] = field(default_factory=dict)
    branches: dict[int, str] = field(default_factory=dict)
    # By a summary's line: the tokens before it, and the line of the first message that stays.
    summaries: dict[int, tuple[int, int | None]] = field(default_factory=dict)


def plan(found: Scan, report: Report, names: set[str], *, beside: bool = False) -> Plan:
    """Put the records in order. Cycles are cut and missing parents are reported.

    `names` are branches that are taken. A file that lies `beside` has no part in `main`.
    """
    made = Plan()
    clusters = _clusters(found)
    _link(found, clusters, made, report)
    made.order = _ordered(found, made, report)
    _name_branches(made, set() if beside else _main(found, made), names)
    return made


def _clusters(found: Scan) -> dict[int, tuple[list[Row], int]]:
    """Answers with several calls: each member's line to all members and its place among them.

    The calls stand before the results.
    """
    calls: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for row in found.rows:
        for call in row.calls:
            if row.group and row.uuid and not row.placed:
                calls.setdefault(call, row.group)
                sizes[row.group] = sizes.get(row.group, 0) + 1
    members: dict[str, list[Row]] = {}
    for row in found.rows:
        group = row.group or next((calls[c] for c in row.results if c in calls), None)
        if group is not None and sizes.get(group, 0) > 1 and _first(found, row) and not row.placed:
            members.setdefault(group, []).append(row)
    for rows in members.values():
        rows.sort(key=lambda row: (row.kind != "assistant", row.number))
    return {
        row.number: (rows, place) for rows in members.values() for place, row in enumerate(rows)
    }


def _first(found: Scan, row: Row) -> bool:
    return row.uuid is not None and found.by_uuid.get(row.uuid) is row


def _link(
    found: Scan, clusters: dict[int, tuple[list[Row], int]], made: Plan, report: Report
) -> None:
    folds = _folds(found, made)
    for row in found.rows:
        if row.uuid is None:
            continue
        wanted = row.parent or row.logical
        above = found.by_uuid.get(wanted) if wanted else None
        if wanted and above is None:
            report.line(row.number, f"its parent {wanted} is missing; it begins a tree of its own")
        if above is row:
            above = None
            report.line(row.number, "it is its own parent; it begins a tree of its own")
        if not row.aside and not row.placed:
            above = _behind_summary(found, row, folds) or above
        rows, place = clusters.get(row.number, ([], 0))
        if place > 0:
            above = rows[place - 1]
        elif above is not None and above.number in clusters:
            # What hangs on any of them comes after all of them.
            above = clusters[above.number][0][-1]
        made.parents[row.number] = above.number if above else None


def _folds(found: Scan, made: Plan) -> dict[str, list[Row]]:
    """Compactions that keep messages, by the last message that they keep."""
    folds: dict[str, list[Row]] = {}
    boundaries = {row.uuid: row for row in found.rows if row.folded is not None}
    for row in boundaries.values():
        if row.folded is not None and row.folded.tail is not None:
            folds.setdefault(row.folded.tail, []).append(row)
    for row in found.rows:
        boundary = boundaries.get(row.parent) if row.parent is not None else None
        if boundary is not None and boundary.folded is not None:
            head = found.by_uuid.get(boundary.folded.head or "")
            first = head.number if head is not None and head.number < row.number else None
            made.summaries[row.number] = (boundary.folded.tokens, first)
    return folds


def _behind_summary(found: Scan, row: Row, folds: dict[str, list[Row]]) -> Row | None:
    """The summary that a record follows whose link leads to what a compaction kept."""
    for boundary in reversed(folds.get(row.parent or "", [])):
        anchor = found.by_uuid.get(boundary.folded.anchor or "") if boundary.folded else None
        if boundary.number < row.number and anchor is not None and anchor.number < row.number:
            return anchor
    return None


def _ordered(found: Scan, made: Plan, report: Report) -> list[Row]:
    def cut(number: int) -> None:
        report.line(number, "its ancestors form a cycle, which is cut here")

    by_number = {row.number: row for row in found.rows}
    return [by_number[number] for number in ordered(list(by_number), made.parents, cut)]


def _name_branches(made: Plan, main: set[int], names: set[str]) -> None:
    """The conversation as it goes on is `main`; what was left, or is a sub-agent's, is beside."""
    tips: dict[str, int] = {}
    for row in made.order:
        parent = made.parents.get(row.number)
        if row.uuid is None or row.number in main:
            made.branches[row.number] = MAIN
            continue
        before = made.branches.get(parent) if parent is not None else None
        if before is not None and before != MAIN and tips.get(before) == parent:
            name = before
        else:
            name = _fresh(row, names)
        made.branches[row.number] = name
        tips[name] = row.number


def _main(found: Scan, made: Plan) -> set[int]:
    leaf = found.leaf()
    if leaf is None:
        return set()
    children: dict[int, list[int]] = {}
    for number, parent in made.parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(number)
    by_number = {row.number: row for row in found.rows}
    end = leaf.number
    # What was noted after the last message belongs to it; so do the other results of its calls.
    while following := [n for n in children.get(end, ()) if not by_number[n].aside]:
        end = max(following)
    main: set[int] = set()
    now: int | None = end
    while now is not None and now not in main:
        main.add(now)
        now = made.parents.get(now)
    return main


def _fresh(row: Row, names: set[str]) -> str:
    if len(names) >= MOST_BRANCHES:
        return REST
    stem = f"agent-{row.agent}" if row.agent else "agent" if row.aside else "left"
    stem = re.sub("[^A-Za-z0-9._-]", "-", stem)[:100]
    number, name = 1, stem if row.agent else f"{stem}-1"
    while name in names:
        number += 1
        name = f"{stem}-{number}"
    names.add(name)
    return name
