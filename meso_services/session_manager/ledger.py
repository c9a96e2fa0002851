"""What the models used, by session, branch and model: sums over the index."""

from __future__ import annotations

from meso_services.contract.context import UsageReply, UsageRow
from meso_services.session_manager.store import SessionStore

_SUMS = "count(*), sum(input), sum(output), sum(cache_read), sum(cache_write), sum(cost)"


def usage(store: SessionStore, session: str | None) -> UsageReply:
    """Sums for one session or for all. Entries that repeat others used nothing."""
    wanted = [store.get(session)] if session is not None else list(store.all())
    rows: list[UsageRow] = []
    for one in wanted:
        one.check_current()
        found = store.index.rows(
            f"SELECT branch, provider, model, {_SUMS} FROM usage WHERE n=?"  # noqa: S608
            " GROUP BY branch, provider, model ORDER BY branch, provider, model",
            (one.n,),
        )
        rows += [_row(one.id, *row) for row in found]
    return UsageReply(rows=tuple(rows), total=_total(rows, session or ""))


def _row(session: str, branch: str, provider: str, model: str, *sums: float) -> UsageRow:
    answers, given, made, read, written, cost = sums
    return UsageRow(
        session=session,
        branch=branch,
        provider=provider.encode(errors="replace").decode(),
        model=model.encode(errors="replace").decode(),
        answers=int(answers),
        input=int(given),
        output=int(made),
        cache_read=int(read),
        cache_write=int(written),
        cost=round(cost, 9),
    )


def _total(rows: list[UsageRow], session: str) -> UsageRow:
    return UsageRow(
        session=session,
        branch="",
        provider="",
        model="",
        answers=sum(row.answers for row in rows),
        input=sum(row.input for row in rows),
        output=sum(row.output for row in rows),
        cache_read=sum(row.cache_read for row in rows),
        cache_write=sum(row.cache_write for row in rows),
        cost=round(sum(row.cost for row in rows), 9),
    )
