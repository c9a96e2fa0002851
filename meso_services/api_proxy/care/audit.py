"""The audit: one line for each thing that was asked of the proxy, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from meso_services.api_proxy.care.journal import Journal, bounds_of
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context


class Audit:
    """Writes lines; call it with the facts of one. Never waits."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def __call__(self, facts: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.journal.append({"time": now, **facts})


def audit_of(context: Context[Settings]) -> Audit:
    """The process's audit, in `audit/` of the proxy's own directory."""
    records = context.settings.audit
    bounds = bounds_of(records.max_size, records.flush_seconds)
    place = context.paths.private(context.service) / "audit"
    audit = context.kept.get(
        "audit",
        lambda: Audit(Journal(place, "audit", bounds)),
        lambda made: made.journal.close(),
    )
    audit.journal.bounds = bounds
    return audit
