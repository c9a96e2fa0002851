"""What there is: branches, sessions without a name, checkpoints, and the turns of one session."""

from __future__ import annotations

from typing import Any

from meso_cli.adapters.claude_sessions import copying
from meso_cli.adapters.claude_sessions.project import Project
from meso_services.transcripts import claude_layout as layout
from meso_services.transcripts.claude_scan import scan, text_of
from meso_services.transcripts.lines import Record, parse, read_file

Facts = dict[str, Any]


def show_all(project: Project) -> Facts:
    """Branches, sessions without a name, checkpoints."""
    memory = project.load()
    rows: list[Facts] = []
    for path in layout.sessions(project.folder):
        name = memory.name_of(path.stem)
        found = scan(read_file(path))
        known = memory.branches.get(name or "")
        rows.append({"branch": name, "session": path.stem, "turns": len(copying.turns(found)),
                     "head": name is not None and name == memory.head, "title": found.title,
                     "begun_from": known.begun_from if known else None,
                     "at": known.at if known else None})  # fmt: skip
    gone = [n for n, b in memory.branches.items() if not any(r["branch"] == n for r in rows)]
    kept = [{"checkpoint": i, "label": c.label, "branch": c.branch, "session": c.session,
             "turns": c.turns, "made": c.made, "note": c.note}
            for i, c in memory.checkpoints.items()]  # fmt: skip
    return {"sessions": rows, "gone": gone, "checkpoints": kept}


def show(project: Project, source: str | None) -> Facts:
    """The turns of a session, with the uuid of each request."""
    session = project.current(project.load(), source)
    found = project.scan(session)
    rows = []
    with project.path(session).open("rb") as file:
        for turn in copying.turns(found):
            file.seek(turn.prompt.start)
            record = parse(file.read(turn.prompt.length)) or {}
            rows.append({"turn": turn.number, "uuid": turn.prompt.uuid,
                         "text": _first_words(record)})  # fmt: skip
    return {"session": session, "turns": rows}


def _first_words(record: Record) -> str:
    """The first words of a request."""
    words = " ".join(text_of(record).split())
    return words if len(words) <= 100 else f"{words[:99]}…"
