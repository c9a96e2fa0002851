"""Fork a session: a new directory with a range of its iterations."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from meso_services.files.strict_yaml import DocumentError
from meso_services.mind import lines, pool_sizes, prompt, session, vectors
from meso_services.mind.session import SessionFile
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error


def extract(source: Path, target: Path, first: int, last: int | None) -> SessionFile:
    """Copy what iterations `first` to `last` (exclusive; None: all) made into a new session.

    Ids begin at 0 again; ages stay what they were, because the iteration counter stays. Clusters
    are kept when the range begins at 0, else they form anew. Raises `mind.*` and `storage.*`.
    """
    try:
        head = session.read_head(source)
        end = head.iteration if last is None else last
        if not 0 <= first <= end <= head.iteration:
            raise MesoError(
                "mind.bad_range",
                f"{first} to {end} is no range of {head.iteration} iterations",
                status=422,
            )
        forked = SessionFile(iteration=end, config=head.config)
        _write(source, target, forked, first, whole=end == head.iteration)
        return forked
    except DocumentError as problem:
        raise session.damaged(source, problem) from None
    except OSError as problem:
        raise storage_error(problem, target) from None


def _write(source: Path, target: Path, head: SessionFile, first: int, *, whole: bool) -> None:
    """Make the fork beside its place and move it there: it is whole or not there."""
    end = head.iteration
    thoughts = _kept(source, session.THOUGHTS, first, end, whole=whole)
    said = _kept(source, session.MESSAGES, first, end, whole=whole)
    numbers = {
        "thoughts": {line["id"]: number for number, line in enumerate(thoughts)},
        "messages": {line["id"]: number for number, line in enumerate(said)},
    }
    held = vectors.rows(source, head.config.embedding_dim, list(numbers["thoughts"]))
    joined = list(lines.read(source, session.ASSIGNMENTS, end)) if first == 0 else []
    with tempfile.TemporaryDirectory(prefix=durable.TEMPORARY_PREFIX, dir=target.parent) as scratch:
        fresh = Path(scratch) / "fork"
        session.init(fresh, None, head.config)
        for name, kept in ((session.THOUGHTS, thoughts), (session.MESSAGES, said)):
            renumbered = [_renumbered(line, n, numbers) for n, line in enumerate(kept)]
            durable.write(fresh / name, lines.encode(renumbered))
        durable.write(fresh / vectors.NAME, held.astype("<f4").tobytes())
        durable.write(fresh / session.ASSIGNMENTS, lines.encode(joined))
        session.write_head(fresh, head)
        origin = {"from": str(source), "first": first, "last": end}
        origin |= {pool_sizes.KEY: _sizes(source, head)}
        note = session.action("extract", origin, end)
        durable.append(fresh / session.INTERVENTIONS, lines.encode([note]))
        _copied(source / prompt.NAME, fresh / prompt.NAME)
        session.place(fresh, target)


def _sizes(source: Path, head: SessionFile) -> list[tuple[int, int]]:
    """The pool's sizes before the fork, and its own, which is today's, from its end on."""
    today = head.config.active_pool_size
    past = [one for one in pool_sizes.read(source, today) if one[0] < head.iteration]
    return [*past, (head.iteration, today)]


def _copied(source: Path, target: Path) -> None:
    if source.is_file():
        durable.write(target, source.read_bytes())


def _renumbered(line: dict[str, Any], number: int, numbers: dict[str, Any]) -> dict[str, Any]:
    """The line with its new number, and with the new ones of what its mind saw."""
    found = {**line, "id": number}
    if isinstance(line.get("from"), dict):
        found["from"] = {
            kind: [numbers[kind][one] for one in line["from"].get(kind, ()) if one in numbers[kind]]
            for kind in numbers
        }
    return found


def _kept(source: Path, name: str, first: int, end: int, *, whole: bool) -> list[dict[str, Any]]:
    """Lines of the range. What the user said since the last iteration belongs to the next one,
    so only a fork that goes to the end has it.
    """
    found = lines.read(source, name, end)
    last = end + 1 if whole else max(end, 1)
    return [line for line in found if first <= int(line["iteration"]) < last]
