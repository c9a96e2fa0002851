"""Draft dialogue: the mind proposes answers, the user accepts one, the others leave.

`drafts/pending.jsonl` holds what waits. What was not accepted moves to `drafts/archive.jsonl`,
which nothing but an audit reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meso_services.mind import changing, lines, session, state
from meso_services.mind.protocol import SeenDraft
from meso_services.mind.state import Mind
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError

PENDING = "drafts/pending.jsonl"
ARCHIVE = "drafts/archive.jsonl"
# So many of the newest are shown to the mind.
SHOWN = 5


def pending(mind: Mind) -> list[dict[str, Any]]:
    """The drafts that wait, oldest first."""
    if not (mind.directory / PENDING).exists():
        return []
    return list(lines.read(mind.directory, PENDING, mind.iteration))


def seen(mind: Mind, name: str) -> list[SeenDraft]:
    """What the mind itself proposed and sees again."""
    own = [line for line in pending(mind) if line["source"] == name][-SHOWN:]
    return [SeenDraft(line["id"], mind.iteration - line["iteration"], line["text"]) for line in own]


def propose(mind: Mind, made: Sequence[dict[str, Any]], commit: int) -> None:
    """Add drafts of an iteration; the caller holds the writers' lock. Raises OSError."""
    if not made:
        return
    _prepare(mind)
    lines.trim(mind.directory, PENDING, mind.iteration)
    first = _next(mind)
    numbered = [{"id": first + n, **line, "commit": commit} for n, line in enumerate(made)]
    durable.append(mind.directory / PENDING, lines.encode(numbered))


def accept(mind: Mind, number: int) -> dict[str, Any]:
    """Make a draft the mind's message; the others go to the archive. Its message's line.

    Raises `mind.no_such_draft`.
    """
    with changing.writing(mind):
        state.refresh(mind)
        waiting = pending(mind)
        chosen = next((line for line in waiting if line["id"] == number), None)
        if chosen is None:
            there = ", ".join(str(line["id"]) for line in waiting) or "none"
            raise MesoError(
                "mind.no_such_draft",
                f"no draft {number} waits",
                status=404,
                hint=f"waiting are: {there}",
            )
        moment = session.now().isoformat(timespec="seconds")
        message = {"id": mind.next_message, "source": chosen["source"], "to": chosen["to"]}
        message |= {"text": chosen["text"], "iteration": mind.iteration, "time": moment}
        message |= {"draft": number, "from": chosen.get("from", {})}
        rest = [{**line, "archived": moment} for line in waiting if line is not chosen]
        # In this order a crash may keep a draft twice, and never loses one.
        durable.append(mind.directory / ARCHIVE, lines.encode(rest))
        durable.append(mind.directory / session.MESSAGES, lines.encode([message]))
        durable.write(mind.directory / PENDING, b"")
        left = [line["id"] for line in rest]
        changing.log(mind, "accept", {"draft": number, "message": message["id"], "archived": left})
        state.refresh(mind)
        return message


def archived(mind: Mind) -> list[dict[str, Any]]:
    """The drafts that were not accepted, each once."""
    if not (mind.directory / ARCHIVE).exists():
        return []
    found = {line["id"]: line for line in lines.read(mind.directory, ARCHIVE, 1 << 62)}
    return [found[number] for number in sorted(found)]


def _prepare(mind: Mind) -> None:
    place = mind.directory / "drafts"
    if not place.is_dir():
        durable.make_directories(place, below=mind.directory)
    for name in (PENDING, ARCHIVE):
        if not (mind.directory / name).exists():
            durable.write(mind.directory / name, b"")


def _next(mind: Mind) -> int:
    """Numbers are never given twice, also not those of accepted drafts."""
    used = [line["id"] for line in (*pending(mind), *archived(mind))]
    taken = (
        line.get("draft", -1) for line in lines.read(mind.directory, session.MESSAGES, 1 << 62)
    )
    return int(max([-1, *used, *taken])) + 1
