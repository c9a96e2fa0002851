"""Ask one upstream once, and give its answer to the client."""

from __future__ import annotations

import json
import time
from typing import Any

from meso_services.api_proxy.care.interface import CachedReply, Outcome
from meso_services.api_proxy.exchange import JSON, KEPT, STREAM, Delivered, Exchange, Try
from meso_services.api_proxy.failed import FailedError, Reply, refused, said, unusable
from meso_services.api_proxy.meter import Meter
from meso_services.api_proxy.streaming import Streaming
from meso_services.api_proxy.translate.errors import inside, translated
from meso_services.api_proxy.translate.request import encoded
from meso_services.api_proxy.translate.sse import BrokenStreamError, Splitter
from meso_services.api_proxy.translate.sse import parsed as parsed_event
from meso_services.api_proxy.upstreams.answer import Answer
from meso_services.api_proxy.upstreams.connections import Connections, FailureError
from meso_services.api_proxy.upstreams.plan import Plan
from meso_services.runtime.errors import MesoError


async def ready(here: Exchange, this: Try) -> Delivered:
    """Give an answer that needs no upstream."""
    await here.client.whole(200, [JSON, *this.said], this.plan.ready or b"")
    return Delivered(200, Outcome.OK)


async def run(here: Exchange, this: Try, connections: Connections) -> Delivered:
    """One try. Raises FailedError before the client's first byte, CutError after it."""
    settings, face = here.settings, here.facts.face
    if this.plan.outgoing is None:
        raise ValueError("the plan has nothing to send")
    here.meter = Meter(here.facts.tokens, answers=here.facts.answers)
    try:
        response = await connections.send(
            this.plan.outgoing, settings.connect_seconds, settings.answer_seconds
        )
        answer = Answer(response, settings.idle_seconds, settings.max_answer)
        try:
            return await _answered(here, this, answer)
        finally:
            answer.close()
    except FailureError as problem:
        raise unusable(face, this.target.upstream.name, problem) from problem


async def _answered(here: Exchange, this: Try, answer: Answer) -> Delivered:
    if not 200 <= answer.status <= 599:
        words = f"answered with the status {answer.status}, which no answer has"
        raise FailureError("proxy.upstream_malformed", words, 502)
    if 300 <= answer.status < 400:
        raise FailureError(
            "proxy.upstream_redirect", "answered with a redirect, which is not followed", 502
        )
    if answer.status >= 400:
        raise await _refused(here, this.plan, answer)
    if answer.streams and (here.facts.stream or this.plan.translator is None):
        return await Streaming(here, this, answer).run()
    if answer.streams:
        raise await _unasked(here, answer)
    return await _whole(here, this, answer)


async def _unasked(here: Exchange, answer: Answer) -> Exception:
    """A stream for a client that cannot read one. Some servers say their errors so."""
    splitter = Splitter(here.settings.max_answer)
    try:
        async for piece in answer.pieces():
            for event in splitter.feed(piece):
                if error := inside(parsed_event(event)):
                    return said(here.facts.face, error)
                words = "answered with a stream that was not asked for"
                return FailureError("proxy.upstream_malformed", words, 502)
    except BrokenStreamError as problem:
        return FailureError(problem.code, f"answered with a stream: {problem}", 502)
    return FailureError("proxy.upstream_cut", "answered with a stream of nothing", 502)


async def _refused(here: Exchange, plan: Plan, answer: Answer) -> FailedError:
    """The upstream's own error: as it came, or in the words of the client's face."""
    with here.held.another() as held:
        raw = plan.without_keys(await answer.whole(held))
    headers = answer.headers
    if plan.translator is not None:
        raw = translated(here.facts.face, answer.status, answer.unpacked(raw) or b"")
        headers = [JSON, *(pair for pair in headers if pair[0] in KEPT)]
    return refused(answer, Reply(answer.status, tuple(headers), raw))


async def _whole(here: Exchange, this: Try, answer: Answer) -> Delivered:
    """A complete answer: nothing of it is sent before all of it is here and makes sense."""
    with here.held.another() as held:
        raw = await answer.whole(held)
        text = answer.unpacked(raw)
        parsed = _parsed(text) if text is not None else None
        if error := inside(parsed):
            raise said(here.facts.face, error)
        if here.meter is not None:
            here.meter.whole(parsed, len(text or raw))
        headers = [*answer.headers, *this.said]
        if this.plan.translator is not None:
            # Some servers do not stream, whatever they are asked for; their client does not notice.
            streams = here.facts.stream and here.facts.answers
            raw = _translated(this.plan, parsed, streams=streams)
            kept = [pair for pair in answer.headers if pair[0] in KEPT]
            headers = [*(STREAM if streams else (JSON,)), *kept, *this.said]
        here.first_byte = time.perf_counter()
        await here.client.whole(answer.status, headers, raw)
    reply = CachedReply(answer.status, tuple(headers), (raw,)) if this.keep else None
    return Delivered(answer.status, Outcome.OK, reply)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise FailureError(
            "proxy.upstream_malformed", "answered with something that is not JSON", 502
        ) from None


def _translated(plan: Plan, parsed: Any, *, streams: bool) -> bytes:
    if plan.translator is None or not isinstance(parsed, dict):
        raise FailureError("proxy.upstream_malformed", "answered with no JSON object", 502)
    try:
        whole = encoded(json.dumps(plan.translator.whole(parsed), ensure_ascii=False))
        if not streams:
            return whole
        stream = plan.translator.stream()
        return b"".join(map(stream.event, plan.translator.pieces(parsed))) + stream.end()
    except MesoError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as problem:
        raise FailureError(
            "proxy.upstream_malformed",
            f"gave an answer that its API does not have ({type(problem).__name__}: {problem})",
            502,
        ) from problem
