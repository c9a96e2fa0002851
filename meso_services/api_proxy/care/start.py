"""The care of one process: made at the start, kept through reloads."""

from __future__ import annotations

from meso_services.api_proxy.care.audit import audit_of
from meso_services.api_proxy.care.house import House
from meso_services.api_proxy.care.journal import bounds_of
from meso_services.api_proxy.care.ledger import Ledger
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context
from meso_services.runtime.health import Check, Finding


def ledger_of(context: Context[Settings]) -> Ledger:
    """The process's ledger, in `ledger/` of the proxy's own directory."""
    records = context.settings.ledger
    bounds = bounds_of(records.max_size, records.flush_seconds)
    place = context.paths.private(context.service) / "ledger"
    ledger = context.kept.get("ledger", lambda: Ledger(place, bounds), Ledger.close)
    ledger.journal.bounds = bounds
    return ledger


def house_of(context: Context[Settings]) -> House:
    """The process's care, under the settings of `context`."""
    audit, ledger = audit_of(context), ledger_of(context)
    house = context.kept.get("care", lambda: House(context.settings, ledger, audit))
    if house.settings is not context.settings:
        house.configure(context.settings)
    return house


care_of = house_of


def check(context: Context[Settings]) -> Check:
    """Whether what is spent and done can be written down."""
    journals = {"ledger": ledger_of(context).journal, "audit": audit_of(context).journal}

    async def run() -> Finding:
        problems = [f"{name}: {j.problem}" for name, j in journals.items() if j.problem]
        lost = [f"{j.dropped} lines of the {n} lost" for n, j in journals.items() if j.dropped]
        found = [*problems, *lost]
        return Finding(not found, "; ".join(found))

    return Check("records", run, required=False)
