"""Fork a session: a new directory with a range of its iterations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meso_services.files.strict_yaml import DocumentError
from meso_services.mind import lines, session, vectors
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
        thoughts = _kept(source, session.THOUGHTS, first, end)
        said = _kept(source, session.MESSAGES, first, end)
        ids = {line["id"]: number for number, line in enumerate(thoughts)}
        held = vectors.rows(source, head.config.embedding_dim, list(ids))
        joined = lines.read(source, session.ASSIGNMENTS, end) if first == 0 else iter(())
        session.init(target, None, head.config)
        for number, line in enumerate(thoughts):
            line["id"] = number
        for number, line in enumerate(said):
            line["id"] = number
        durable.write(target / session.THOUGHTS, lines.encode(thoughts))
        durable.write(target / vectors.NAME, held.astype("<f4").tobytes())
        durable.write(target / session.MESSAGES, lines.encode(said))
        durable.write(target / session.ASSIGNMENTS, lines.encode(list(joined)))
        session.write_head(target, forked)
        note = session.action("extract", {"from": str(source), "first": first, "last": end}, end)
        durable.append(target / session.INTERVENTIONS, lines.encode([note]))
        return forked
    except DocumentError as problem:
        raise session.damaged(source, problem) from None
    except OSError as problem:
        raise storage_error(problem, target) from None


def _kept(source: Path, name: str, first: int, end: int) -> list[dict[str, Any]]:
    """Lines of the range. A user's message belongs to the iteration that it was said before."""
    found = lines.read(source, name, end)
    return [line for line in found if first <= int(line["iteration"]) < max(end, 1)]
