"""Care as the proxy has it: every rule, one after the other, for each request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from meso_services.api_proxy.cache.store import ReplyCache
from meso_services.api_proxy.cache.store import Rules as CacheRules
from meso_services.api_proxy.care import budget, lines
from meso_services.api_proxy.care.audit import Audit
from meso_services.api_proxy.care.breaker import Rules as BreakerRules
from meso_services.api_proxy.care.breaker import UpstreamBreaker
from meso_services.api_proxy.care.bucket import Bucket
from meso_services.api_proxy.care.budget import Hold
from meso_services.api_proxy.care.clients import Clients
from meso_services.api_proxy.care.interface import (
    Ask,
    CachedReply,
    Client,
    Outcome,
    RefusalError,
    Settlement,
    Target,
    Usage,
)
from meso_services.api_proxy.care.ledger import Ledger
from meso_services.api_proxy.care.prices import FREE, Prices, Rate, usd
from meso_services.api_proxy.care.queue import FairQueue, Share
from meso_services.api_proxy.care.settings import Client as ClientSettings
from meso_services.api_proxy.metrics.meters import Meters
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.errors import MesoError

# A token of text is three bytes of JSON or more; what is denser is rare and short.
BYTES_PER_TOKEN = 3
MAX_BUCKETS = 1024
# Who asks without a key that is known, in metrics and audit.
NOBODY = Client("unknown")


@dataclass(frozen=True, slots=True)
class Need:
    """What a request asks for at most."""

    given: int
    answered: int

    @property
    def tokens(self) -> int:
        return self.given + self.answered


@dataclass(frozen=True, slots=True)
class Stake:
    """What a request has in the house: money held, tokens of the rate taken, a ledger entry."""

    hold: Hold
    given: int
    entry: str


class House:
    """The Care of a running proxy. `configure` comes with each reload."""

    def __init__(self, settings: Settings, ledger: Ledger, audit: Audit) -> None:
        self.ledger = ledger
        self.meters = Meters()
        self._audit = audit
        self._breakers: dict[str, UpstreamBreaker] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self.queue = FairQueue(1, 1.0)
        self.cache = ReplyCache(CacheRules())
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self.settings = settings
        # The time zone may have moved with the same switch.
        time.tzset()
        self.clients = Clients(settings.clients)
        self._prices = Prices(settings.prices)
        limits, cache, breaker = settings.limits, settings.cache, settings.breaker
        self.queue.places = limits.concurrent_all
        self.queue.wait_seconds = limits.wait_seconds
        self.cache.set_rules(
            CacheRules(cache.max_size, cache.max_entry, float(cache.seconds), cache.shared)
        )
        rules = BreakerRules(breaker.failures, breaker.open_seconds, breaker.longest_seconds)
        named = {upstream.name for upstream in settings.upstreams}
        self._breakers = {n: b for n, b in self._breakers.items() if n in named}
        for known in self._breakers.values():
            known.rules = rules
        self._breaker_rules = rules

    def client(self, *, uid: int | None = None, key: str | None = None) -> Client:
        """Who calls."""
        if key is not None:
            return self.clients.by_key(key)
        if uid is None:
            raise RefusalError(
                "client.unknown_key",
                "a key is needed on this connection",
                status=401,
                hint="x-api-key or Authorization: Bearer, with a key of services.api_proxy.clients",
            )
        return self.clients.by_uid(uid)

    def breaker(self, upstream: str) -> UpstreamBreaker:
        """The upstream's breaker."""
        if (known := self._breakers.get(upstream)) is None:
            known = self._breakers[upstream] = UpstreamBreaker(upstream, self._breaker_rules)
        return known

    def cost(self, target: Target, usage: Usage) -> float | None:
        """US dollars of that usage; None if no price is known."""
        rate = self._prices.rate(target)
        return usd(rate.cost(usage)) if rate is not None else None

    def rate(self, target: Target) -> Rate:
        """What a target costs; nothing where no price is known."""
        return self._prices.rate(target) or FREE

    async def admit(self, ask: Ask) -> Place:
        """Let the request in, perhaps after a wait."""
        try:
            return await self._admit(ask)
        except RefusalError as refusal:
            self._refused(ask, refusal)
            raise

    async def _admit(self, ask: Ask) -> Place:
        own = self.clients.configured.get(ask.client.name)
        self._take(own, ask.client.name, "requests", 1)
        if ask.cache:
            cached = self.cache.find(ask)
            self.meters.looked_up(ask, cached is not None)
            if cached is not None:
                return Place(self, ask, None, cached)
        need = self._need(ask)
        hold = self._hold(ask, own, need)
        # Said before the wait: who has no money need not stand in line.
        self._check(own, hold)
        self._take(own, ask.client.name, "tokens", need.given)
        try:
            waited = await self.queue.enter(ask.client.name, need.tokens, self._share(own))
        except BaseException:
            self._correct(own, ask.client.name, -need.given)
            raise
        try:
            if waited:
                self._check(own, hold)
        except RefusalError:
            self.queue.leave(ask.client.name)
            self._correct(own, ask.client.name, -need.given)
            raise
        entry = self.ledger.begin(ask.id, hold)
        return Place(self, ask, Stake(hold, need.given, entry))

    def _need(self, ask: Ask) -> Need:
        given = ask.max_input
        if given is None:
            given = len(ask.body) // BYTES_PER_TOKEN + 1
        budgets = self.settings.budgets
        bound = budgets.assumed_output if ask.max_output is None else ask.max_output
        return Need(given, round(max(0, bound) * budgets.hold_output))

    def _hold(self, ask: Ask, own: ClientSettings | None, need: Need) -> Hold:
        budgets = self.settings.budgets
        dearest = 0
        for target in ask.targets:
            rate = self._prices.rate(target)
            strict = budgets.unpriced == "refuse" and need.tokens
            if rate is None and strict and budget.in_force(budgets, own, ask.session):
                raise _unpriced(target)
            dearest = max(dearest, (rate or FREE).most(need.given, need.answered))
        return Hold(ask.client.name, ask.session, dearest, need.tokens)

    def _check(self, own: ClientSettings | None, hold: Hold) -> None:
        self.ledger.today()
        budget.check(self.settings.budgets, own, self.ledger.totals, self.ledger.held, hold)
        if self.ledger.journal.problem and self._bounded(own):
            raise RefusalError(
                "ledger.unwritable",
                "what requests cost cannot be written down, and there is a budget to keep",
                status=503,
                hint="free space on the state partition; the journal names the reason",
                retry_after=5.0,
            )

    def _bounded(self, own: ClientSettings | None) -> bool:
        budgets = self.settings.budgets
        limits: tuple[float | None, ...] = (
            *(budgets.day_usd, budgets.day_tokens, budgets.client_day_usd),
            *(budgets.client_day_tokens, budgets.session_usd, budgets.session_tokens),
            *((own.day_usd, own.day_tokens) if own else ()),
        )
        return any(limit is not None for limit in limits)

    def _share(self, own: ClientSettings | None) -> Share:
        limits = self.settings.limits
        concurrent = own.concurrent if own and own.concurrent else limits.concurrent
        return Share(concurrent, limits.waiting, own.weight if own else 1.0)

    def _bucket(self, own: ClientSettings | None, client: str, kind: str) -> Bucket | None:
        name = f"{kind}_per_minute"
        special = getattr(own, name) if own else None
        per_minute = getattr(self.settings.limits, name) if special is None else special
        if not per_minute:
            return None
        bucket = self._buckets.get((client, kind))
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._buckets = {k: b for k, b in self._buckets.items() if not b.full}
            bucket = self._buckets[(client, kind)] = Bucket(per_minute)
        bucket.resize(per_minute)
        return bucket

    def _take(self, own: ClientSettings | None, client: str, kind: str, amount: int) -> None:
        bucket = self._bucket(own, client, kind) if amount else None
        wait = bucket.take(amount) if bucket else 0.0
        if wait:
            raise RefusalError(
                f"limit.{kind}",
                f"{client} sends more {kind} a minute than it may",
                status=429,
                hint="services.api_proxy.limits and clients say how many",
                retry_after=wait,
            )

    def _correct(self, own: ClientSettings | None, client: str, amount: int) -> None:
        if bucket := self._bucket(own, client, "tokens"):
            bucket.correct(amount)

    def settle(self, place: Place, settlement: Settlement) -> None:
        """Called once by each place."""
        ask, stake = place.ask, place.stake
        usage, pico, tokens = Usage(), 0, None
        if stake is not None:
            usage, pico, tokens = self._charged(stake.hold, settlement)
            self.queue.leave(ask.client.name)
            spent = usage.total if tokens is None else tokens
            own = self.clients.configured.get(ask.client.name)
            self._correct(own, ask.client.name, spent - stake.given)
            self.ledger.end(
                stake.entry,
                stake.hold,
                pico=pico,
                usage=usage,
                target=settlement.target,
                outcome=settlement.outcome.value,
                tokens=tokens,
            )
            if ask.cache:
                self.cache.keep(ask, settlement)
        self.meters.settled(ask, settlement, usage, pico)
        self._audit(lines.settled(ask, settlement, usage, pico))

    def _charged(self, hold: Hold, settlement: Settlement) -> tuple[Usage, int, int | None]:
        """Usage, pico-dollars, and tokens where the usage does not say them."""
        target, usage = settlement.target, settlement.usage
        if target is None:
            return Usage(), 0, 0
        if usage is None:
            # The upstream may have done all the work before it went silent.
            return Usage(), hold.pico, hold.tokens
        return usage, self.rate(target).cost(usage), None

    def _refused(self, ask: Ask, refusal: RefusalError) -> None:
        self.meters.refused(ask.client.name, refusal.code)
        self._audit(lines.refused(ask, refusal))

    def turned_away(
        self, request: str, client: Client | None, face: str, model: str, error: MesoError
    ) -> None:
        """Write down a request that was refused before there was anything to admit."""
        client = client or NOBODY
        self.meters.refused(client.name, error.code)
        self._audit(lines.turned_away(request, client, face, model, error))

    def metrics(self) -> bytes:
        """Prometheus's text."""
        states = {name: breaker.state for name, breaker in self._breakers.items()}
        self.ledger.today()
        spent = self.ledger.totals.all.pico
        return self.meters.text(self.queue.running, self.queue.waiting, states, spent)


class Place:
    """An Admission: a place in the queue's house and the money held for the request."""

    __slots__ = ("_house", "_open", "ask", "cached", "stake")

    def __init__(
        self, house: House, ask: Ask, stake: Stake | None, cached: CachedReply | None = None
    ) -> None:
        self._house, self._open = house, True
        self.ask, self.stake, self.cached = ask, stake, cached

    def settle(self, settlement: Settlement) -> None:
        """Give the place back, charge, write down; the first call counts."""
        if self._open:
            self._open = False
            self._house.settle(self, settlement)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Whoever leaves without a word has reached nobody, or has gone away.
        self.settle(Settlement(Outcome.CANCELLED))


def _unpriced(target: Target) -> RefusalError:
    return RefusalError(
        "budget.no_price",
        f"there is a budget in dollars, and no price of {target.model} at {target.upstream}",
        status=402,
        hint="services.api_proxy.prices names prices (0 for a model of your own); "
        'services.api_proxy.budgets.unpriced = "free" lets every model without one pass',
        detail={"model": target.model[:200], "upstream": target.upstream},
    )
