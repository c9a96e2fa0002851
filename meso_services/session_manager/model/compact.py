"""Compaction: one more entry that stands for the older part of a branch. Nothing is rewritten."""

from __future__ import annotations

from collections.abc import Sequence

from meso_services.contract.context import Compact, Compacted
from meso_services.runtime.errors import MesoError
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import Draft, SessionFile, digest
from meso_services.session_manager.index.derive import tokens
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.model.context import Chosen, choose, fitted
from meso_services.session_manager.model.summarise import Summariser, Summary
from meso_services.session_manager.state import State
from meso_services.session_manager.tree.places import tip_node

EVERYTHING = 2**40


def compact(
    session: SessionFile, wanted: Compact, summariser: Summariser, key: str | None
) -> Compacted:
    """Compact a branch if it is worth it. Raises `branch.*`, `entry.moved`."""
    session.check_open()
    with session.lock:
        name = wanted.branch or session.state.head
        if key is not None and (made := session.index.key(session.n, key)):
            return _before(session, name, session.line(made))
        tip = tip_node(session, session.state, name)
    whole = choose(session, tip, EVERYTHING)
    before = sum(tokens(line) for line in whole.lines)
    over = wanted.over if wanted.over is not None else 2 * wanted.keep
    if tip is None or (before <= over and not wanted.force):
        return _nothing(name, wanted, before, f"the context has {before} tokens, not over {over}")
    own = [line for line in whole.lines if line.type != "compaction"]
    kept, _ = fitted(own, wanted.keep)
    gone = own[: len(own) - len(kept)] if _is_tail(own, kept) else _without(own, kept)
    if not gone or not kept:
        return _nothing(name, wanted, before, "only the last request is left, and it stays")
    older = [line for line in whole.lines if line.type == "compaction"]
    summary = _summary([*older, *gone], wanted, summariser)
    if not _smaller(whole, kept, summary):
        return _nothing(name, wanted, before, "the summary would not be smaller")
    entry = _written(session, name, tip, (wanted, summary, kept[0].id, before), key)
    left = sum(tokens(line) for line in kept) + len(summary.text) // 4
    return Compacted(
        branch=name,
        entry=entry.id,
        strategy=summary.strategy,
        fallback=summary.fallback,
        first_kept=kept[0].id,
        tokens_before=before,
        tokens_after=left,
        summary=summary.text,
        compacted=True,
    )


def _is_tail(own: Sequence[Line], kept: Sequence[Line]) -> bool:
    return own[len(own) - len(kept)].id == kept[0].id if kept else True


def _without(own: Sequence[Line], kept: Sequence[Line]) -> list[Line]:
    """What goes when the last request stays and its first steps do not.

    Pi's compaction keeps all from one entry on. So the cut is before the last request, and the
    context leaves the steps out by itself where they do not fit.
    """
    first = next(place for place, line in enumerate(own) if line.id == kept[0].id)
    return list(own[:first])


def _summary(lines: Sequence[Line], wanted: Compact, summariser: Summariser) -> Summary:
    if wanted.strategy == "keep-recent":
        return Summary(f"({len(lines)} earlier entries are left out.)", "keep-recent")
    return summariser.summary(lines, wanted.strategy, wanted.instructions)


def _smaller(whole: Chosen, kept: Sequence[Line], summary: Summary) -> bool:
    gone = sum(tokens(line) for line in whole.lines) - sum(tokens(line) for line in kept)
    return len(summary.text) // 4 < gone


def _written(
    session: SessionFile,
    branch: str,
    tip: Node,
    facts: tuple[Compact, Summary, str, int],
    key: str | None,
) -> Line:
    wanted, summary, first, before = facts

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        if session.tip(state, branch) != tip.id:
            raise MesoError(
                "branch.moved",
                f"branch {branch} got entries while it was summarised",
                status=409,
                hint="ask again",
            )
        data = {
            "summary": summary.text,
            "firstKeptEntryId": first,
            "tokensBefore": before,
            "details": {"strategy": summary.strategy, "keep": wanted.keep},
        }
        own = {} if branch == state.head else {"branch": branch}
        return [Draft("compaction", data, tip.id, own)]

    lines, _ = session.change(plan, key, digest("compact", wanted))
    return lines[-1]


def _before(session: SessionFile, branch: str, made: Line) -> Compacted:
    if made.type != "compaction":
        raise MesoError("idempotency.conflict", "the key was used for another entry", status=409)
    details = made.data.get("details")
    return Compacted(
        branch=made.branch or branch,
        entry=made.id,
        strategy=str(details.get("strategy", "")) if isinstance(details, dict) else "",
        first_kept=made.data.get("firstKeptEntryId"),
        tokens_before=int(made.data.get("tokensBefore", 0)),
        tokens_after=0,
        summary=str(made.data.get("summary", "")),
        compacted=True,
        reason="the key was used before",
    )


def _nothing(branch: str, wanted: Compact, before: int, reason: str) -> Compacted:
    return Compacted(
        branch=branch,
        entry=None,
        strategy=wanted.strategy,
        first_kept=None,
        tokens_before=before,
        tokens_after=before,
        summary="",
        compacted=False,
        reason=reason,
    )
