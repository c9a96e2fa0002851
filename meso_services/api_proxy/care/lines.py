"""The audit's line for a request: who, which route, why, how much, and what came of it."""

from __future__ import annotations

from typing import Any

from meso_services.api_proxy.care.interface import Ask, Client, RefusalError, Settlement, Usage
from meso_services.api_proxy.care.prices import usd
from meso_services.runtime.errors import MesoError

Line = dict[str, Any]
# Longest name and longest reason in a line.
MAX_NAME, MAX_WHY = 200, 500


def settled(ask: Ask, settlement: Settlement, usage: Usage, pico: int) -> Line:
    """A request that was let in, at its end."""
    target = settlement.target
    return _line(
        {
            **_asked(ask),
            "event": settlement.outcome.value,
            "upstream": target.upstream if target else None,
            "model": target.model if target else _first_model(ask),
            "status": settlement.status or None,
            "tries": settlement.tries if settlement.tries != 1 else None,
            "why": settlement.why or ask.why or None,
            "tokens": usage.total or None,
            "usd": round(usd(pico), 9) or None,
            "seconds": round(settlement.seconds, 3),
            "first_byte": settlement.first_byte and round(settlement.first_byte, 3),
        }
    )


def refused(ask: Ask, refusal: RefusalError) -> Line:
    """A request that care did not let in."""
    return _line(
        {
            **_asked(ask),
            "event": "refused",
            "model": _first_model(ask),
            "status": refusal.status,
            "code": refusal.code,
            "terminal": refusal.terminal,
            "why": refusal.message,
        }
    )


def turned_away(request: str, client: Client, face: str, model: str, error: MesoError) -> Line:
    """A request that was refused before anybody knew where it would go."""
    return _line(
        {
            "kind": "request",
            "request": request,
            "client": client.name,
            "uid": client.uid,
            "face": face,
            "event": "refused",
            "model": model[:MAX_NAME] or None,
            "status": error.status,
            "code": error.code,
            "why": error.message[:MAX_WHY],
        }
    )


def _asked(ask: Ask) -> Line:
    return {
        "kind": "request",
        "request": ask.id,
        "client": ask.client.name,
        "uid": ask.client.uid,
        "session": ask.session,
        "face": ask.face,
        "route": ask.route,
        "private": ask.private or None,
    }


def _first_model(ask: Ask) -> str | None:
    return ask.targets[0].model[:MAX_NAME] if ask.targets else None


def _line(facts: Line) -> Line:
    return {name: value for name, value in facts.items() if value is not None}
