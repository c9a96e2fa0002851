"""Budgets: whether there is money left for one more request, the running ones counted in.

What a request may cost at most is held while it runs, so requests that run side by side cannot
overshoot a budget together. The bound: a budget is overshot by no more than what the requests
running at that moment cost above what was held for them. With `hold_output = 1` that is the
input that was estimated too low (a token for three bytes is assumed) and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meso_services.api_proxy.care.interface import RefusalError
from meso_services.api_proxy.care.prices import PICO, usd
from meso_services.api_proxy.care.settings import Budgets
from meso_services.api_proxy.care.settings import Client as ClientSettings
from meso_services.api_proxy.care.totals import Spent, Totals

KEY = "services.api_proxy.budgets"
HELD_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Hold:
    """The most that one running request may cost."""

    client: str
    session: str | None
    pico: int
    tokens: int


class Held:
    """Sums of what is held now."""

    def __init__(self) -> None:
        self.all = Spent()
        self.clients: dict[str, Spent] = {}
        self.sessions: dict[str, Spent] = {}

    def add(self, hold: Hold, sign: int = 1) -> None:
        """Hold it, or with -1 let it go."""
        pico, tokens = sign * hold.pico, sign * hold.tokens
        self.all.add(pico, tokens)
        _add(self.clients, hold.client, pico, tokens)
        if hold.session:
            _add(self.sessions, hold.session, pico, tokens)


def _add(sums: dict[str, Spent], name: str, pico: int, tokens: int) -> None:
    spent = sums.setdefault(name, Spent())
    spent.add(pico, tokens)
    if not spent.pico and not spent.tokens:
        del sums[name]


@dataclass(frozen=True, slots=True)
class _Purse:
    """One budget: its name, limit, what is spent of it and what is held."""

    name: str
    money: bool
    limit: int
    spent: int
    held: int


def in_force(budgets: Budgets, client: ClientSettings | None, session: str | None) -> bool:
    """True if any budget in dollars bounds this request."""
    own = client.day_usd if client else None
    limits = (
        budgets.day_usd,
        budgets.client_day_usd,
        own,
        budgets.session_usd if session else None,
    )
    return any(limit is not None for limit in limits)


def check(
    budgets: Budgets, client: ClientSettings | None, totals: Totals, held: Held, hold: Hold
) -> None:
    """Raise RefusalError unless every budget has room for `hold`.

    `budget.spent` and `budget.too_small` are terminal; `budget.held` is not: what others hold
    may come back.
    """
    if not hold.pico and not hold.tokens:
        return
    waiting: _Purse | None = None
    for purse in _purses(budgets, client, totals, held, hold):
        need = hold.pico if purse.money else hold.tokens
        if purse.spent >= purse.limit:
            raise _spent(purse)
        if purse.spent + need > purse.limit:
            raise _too_small(purse, need)
        if purse.spent + purse.held + need > purse.limit:
            waiting = waiting or purse
    if waiting is not None:
        raise RefusalError(
            "budget.held",
            f"what is left of {waiting.name} is held by requests that run",
            status=429,
            hint="try again when they are done",
            retry_after=HELD_SECONDS,
        )


def _purses(
    budgets: Budgets, client: ClientSettings | None, totals: Totals, held: Held, hold: Hold
) -> Iterator[_Purse]:
    own_usd = client.day_usd if client else None
    own_tokens = client.day_tokens if client else None
    per_usd = budgets.client_day_usd if own_usd is None else own_usd
    per_tokens = budgets.client_day_tokens if own_tokens is None else own_tokens
    who = totals.client(hold.client), held.clients.get(hold.client, Spent())
    yield from _of("the day", budgets.day_usd, budgets.day_tokens, totals.all, held.all)
    yield from _of(f"the day of {hold.client}", per_usd, per_tokens, *who)
    if hold.session:
        spent = totals.session(hold.session)
        running = held.sessions.get(hold.session, Spent())
        name = f"session {hold.session}"
        yield from _of(name, budgets.session_usd, budgets.session_tokens, spent, running)


def _of(
    whose: str, dollars: float | None, tokens: int | None, spent: Spent, held: Spent
) -> Iterator[_Purse]:
    if dollars is not None:
        limit = round(dollars * PICO)
        yield _Purse(f"the budget of {whose} in dollars", True, limit, spent.pico, held.pico)
    if tokens is not None:
        yield _Purse(f"the budget of {whose} in tokens", False, tokens, spent.tokens, held.tokens)


def _amount(purse: _Purse, amount: int) -> str:
    return f"{usd(amount):.6f} USD" if purse.money else f"{amount} tokens"


def _spent(purse: _Purse) -> RefusalError:
    return RefusalError(
        "budget.spent",
        f"{purse.name} is spent: {_amount(purse, purse.spent)} of {_amount(purse, purse.limit)}",
        status=402,
        hint=f"A day's budget begins anew at midnight; the operator raises it in {KEY}",
        detail={"spent": purse.spent, "limit": purse.limit},
    )


def _too_small(purse: _Purse, need: int) -> RefusalError:
    left = purse.limit - purse.spent
    return RefusalError(
        "budget.too_small",
        f"{purse.name} has {_amount(purse, left)} left, and this request may cost up to "
        f"{_amount(purse, need)}",
        status=402,
        hint=f"Ask for fewer tokens (max_tokens), or the operator raises {KEY}",
        detail={"left": left, "needed": need},
    )
