"""The upstreams of one request, tried in their order until one has answered."""

from __future__ import annotations

import asyncio
import time

from meso_services.api_proxy import attempt
from meso_services.api_proxy.care import interface as care
from meso_services.api_proxy.exchange import Delivered, Exchange, Try
from meso_services.api_proxy.failed import FailedError, pause
from meso_services.api_proxy.routing.decide import Decision, Target
from meso_services.api_proxy.upstreams.connections import Connections
from meso_services.api_proxy.upstreams.kinds import KINDS
from meso_services.api_proxy.upstreams.plan import UntranslatableError
from meso_services.api_proxy.wire import CutError
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log

_log = Log("meso.proxy")


class Chain:
    """One request's way; afterwards it knows what the request came to."""

    def __init__(
        self, rules: care.Care, connections: Connections, decision: Decision, here: Exchange
    ) -> None:
        self._rules, self._connections = rules, connections
        self._decision, self._here = decision, here
        self._tries = 0
        self._notes: list[str] = []
        self._served: Target | None = None
        self._outcome = care.Outcome.UNREACHABLE
        self._status = 0
        self._delivered: Delivered | None = None

    async def replay(self, kept: care.CachedReply) -> None:
        """Give an answer again."""
        client = self._here.client
        self._outcome, self._status = care.Outcome.CACHED, kept.status
        await client.start(kept.status, kept.headers)
        for piece in kept.pieces:
            await client.more(piece)
        await client.end()

    async def run(self) -> None:
        """Try each target. Raises MesoError when none has answered, CutError when one broke off."""
        last: FailedError | MesoError | None = None
        for target in self._decision.targets:
            try:
                await self._target(target)
                return
            except FailedError as problem:
                last = problem
                if not problem.elsewhere:
                    break
            except MesoError as problem:
                last = last or problem
                self._note(target, problem.message)
            except UntranslatableError as problem:
                self._note(target, f"{problem} cannot be said in its API")
        await self._give_up(last)

    def cancelled(self) -> None:
        """The client went away."""
        self._outcome = care.Outcome.CANCELLED

    def settlement(self) -> care.Settlement:
        """What the request came to, for its account."""
        here, target = self._here, self._served
        first = here.first_byte
        return care.Settlement(
            self._outcome,
            target=care.Target(target.upstream.name, target.model) if target else None,
            usage=self._usage(),
            status=self._status,
            seconds=time.perf_counter() - here.began,
            first_byte=first - here.began if first else None,
            tries=max(1, self._tries),
            reply=self._delivered.kept if self._delivered else None,
            why="; ".join([self._decision.why, *self._notes])[:1000],
        )

    def _usage(self) -> care.Usage | None:
        here = self._here
        if here.facts.free:
            return care.Usage()
        return here.meter.usage if here.meter and self._served else None

    async def _target(self, target: Target) -> None:
        """Ask one upstream, several times if need be."""
        here = self._here
        kind = KINDS[target.upstream.kind]
        plan = kind.plan(here.facts, here.incoming, target.upstream, target.model)
        this = Try(plan, target, self._decision.cache)
        if plan.ready is not None:
            self._finished(target, await attempt.ready(here, this))
            return
        number = 0
        while True:
            permit = self._rules.breaker(target.upstream.name).enter()
            if permit is None:
                raise _left_alone(target, self._rules)
            self._tries += 1
            number += 1
            try:
                self._finished(target, await self._once(this, permit))
                return
            except FailedError as problem:
                wait = pause(here.settings.retry, number, problem)
                self._note(target, f"{problem.code} ({problem.reply.status})")
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    async def _once(self, this: Try, permit: care.Permit) -> Delivered:
        # From here on the upstream may have begun to work, and may charge for it.
        self._served = this.target
        try:
            delivered = await attempt.run(self._here, this, self._connections)
        except FailedError as problem:
            self._served = None
            (permit.failure if problem.fault else permit.success)()
            raise
        except CutError:
            self._outcome, self._status = care.Outcome.CUT, 200
            permit.failure()
            raise
        except BaseException:
            permit.abandon()
            raise
        permit.success()
        return delivered

    def _finished(self, target: Target, delivered: Delivered) -> None:
        self._served, self._delivered = target, delivered
        self._status, self._outcome = delivered.status, delivered.outcome
        _log.info(
            "asked",
            upstream=target.upstream.name,
            model=target.model,
            route=self._decision.route,
            status=delivered.status,
            tries=self._tries,
        )

    def _note(self, target: Target, words: str) -> None:
        self._notes.append(f"{target.upstream.name}: {words}")

    async def _give_up(self, last: FailedError | MesoError | None) -> None:
        notes = "; ".join(self._notes)
        _log.warning("no upstream answered", route=self._decision.route, notes=notes)
        if isinstance(last, FailedError):
            self._status = last.reply.status
            if self._status not in (502, 504):
                self._outcome = care.Outcome.UPSTREAM_ERROR
            reply = last.reply
            await self._here.client.whole(reply.status, reply.headers, reply.body)
            return
        problem = last or MesoError(
            "proxy.untranslatable",
            f"no upstream can be asked this: {notes}",
            status=400,
            hint="Ask without it, or add an upstream that speaks this API",
            headers={"x-should-retry": "false"},
        )
        self._status = problem.status
        raise problem


def _left_alone(target: Target, rules: care.Care) -> MesoError:
    seconds = max(1, round(rules.breaker(target.upstream.name).retry_after()))
    return MesoError(
        "proxy.upstream_open",
        f"upstream {target.upstream.name} failed too often and is left alone for {seconds} s",
        status=503,
        headers={"retry-after": str(seconds)},
    )
