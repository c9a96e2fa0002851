"""A streamed answer: event by event as it comes, whole events only."""

from __future__ import annotations

import time
from typing import Any

from meso_services.api_proxy.care.interface import CachedReply, Outcome
from meso_services.api_proxy.exchange import KEPT, STREAM, Delivered, Exchange, Try
from meso_services.api_proxy.faces.face import Action
from meso_services.api_proxy.failed import said
from meso_services.api_proxy.translate import errors, sse
from meso_services.api_proxy.upstreams.answer import Answer
from meso_services.api_proxy.upstreams.connections import FailureError
from meso_services.api_proxy.wire import CutError
from meso_services.runtime.logging import Log

_LAST = frozenset({"message_stop", "response.completed", "response.incomplete", "response.failed"})
_log = Log("meso.proxy")


class Streaming:
    """One stream. Until the client's first byte a failure can be made good elsewhere."""

    def __init__(self, here: Exchange, this: Try, answer: Answer) -> None:
        self._here, self._this, self._answer = here, this, answer
        translator = this.plan.translator
        self._translator = translator.stream() if translator else None
        self._splitter = sse.Splitter(here.settings.max_answer)
        self._complete = self._errored = False
        self._kept: list[bytes] = []
        self._kept_bytes = 0

    async def run(self) -> Delivered:
        """Raises FailedError or FailureError before the first byte, CutError after it."""
        here = self._here
        try:
            async for piece in self._answer.pieces():
                if out := b"".join(map(self._event, self._splitter.feed(piece))):
                    await self._send(out)
            out = self._end()
            if not here.client.began:
                await self._start()
            self._keep(out)
            await here.client.end(out)
        except (FailureError, sse.BrokenStreamError) as problem:
            await self._broken(problem)
        outcome = Outcome.UPSTREAM_ERROR if self._errored else Outcome.OK
        return Delivered(self._answer.status, outcome, self._reply())

    def _event(self, event: bytes) -> bytes:
        """What the client gets for one event."""
        data = sse.parsed(event)
        if data is None:
            self._complete |= sse.data_of(event) == sse.DONE
            comment = event.startswith(b":")
            return event if self._translator is None or comment else b""
        if error := errors.inside(data):
            return self._error(event, error)
        if self._here.meter is not None:
            self._here.meter.event(data)
        self._complete |= _closes(data)
        if self._translator is None:
            return event
        try:
            return self._translator.event(data)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as problem:
            raise _not_of_its_api(problem) from problem

    def _error(self, event: bytes, error: errors.UpstreamSaidError) -> bytes:
        face = self._here.facts.face
        if not self._here.client.began:
            raise said(face, error)
        self._errored = True
        if self._translator is None:
            return self._this.plan.without_keys(event)
        return errors.event(face, error.status, error.words, error.code)

    def _end(self) -> bytes:
        """What closes the stream. Raises BrokenStreamError if the upstream's had no end."""
        last = b""
        if rest := self._splitter.rest.strip():
            # Some servers leave out the last blank line.
            last = self._event(rest + b"\n\n")
        if self._errored:
            return last
        if self._translator is not None:
            try:
                return last + self._translator.end()
            except ValueError as problem:
                raise _cut(str(problem)) from problem
        # Not every server of the older completions API says when it is done.
        if not self._complete and self._here.facts.action is not Action.COMPLETIONS:
            raise _cut("the stream ended before the answer did")
        return last

    async def _start(self) -> None:
        here = self._here
        here.first_byte = time.perf_counter()
        await here.client.start(self._answer.status, self._headers())

    def _headers(self) -> list[tuple[str, str]]:
        dropped = {"content-length", "content-encoding"}
        if self._translator is None:
            own = [pair for pair in self._answer.headers if pair[0] not in dropped]
        else:
            own = [*STREAM, *(pair for pair in self._answer.headers if pair[0] in KEPT)]
        return [*own, *self._this.said]

    async def _send(self, out: bytes) -> None:
        if not self._here.client.began:
            await self._start()
        self._keep(out)
        await self._here.client.more(out)

    def _keep(self, out: bytes) -> None:
        if not self._this.keep or not out:
            return
        self._kept_bytes += len(out)
        if self._kept_bytes <= self._here.settings.max_answer:
            self._kept.append(out)
        else:
            self._kept.clear()

    def _reply(self) -> CachedReply | None:
        whole = self._kept and self._kept_bytes <= self._here.settings.max_answer
        if not whole or self._errored:
            return None
        return CachedReply(self._answer.status, tuple(self._headers()), tuple(self._kept))

    async def _broken(self, problem: FailureError | sse.BrokenStreamError) -> None:
        """Tell the client in its own words, then close without the stream's proper end, so that
        no client can take what it has for the whole."""
        here = self._here
        words = problem.words if isinstance(problem, FailureError) else str(problem)
        if not here.client.began:
            raise FailureError(problem.code, f"broke its stream off: {words}", 502) from problem
        name = self._this.target.upstream.name
        _log.warning("a stream broke", upstream=name, code=problem.code, reason=words)
        words = f"upstream {name}: {words}"
        await here.client.more(errors.event(here.facts.face, 502, words, problem.code))
        raise CutError from problem


def _closes(data: Any) -> bool:
    """True for the event after which nothing is missing."""
    if not isinstance(data, dict):
        return False
    if data.get("type") in _LAST:
        return True
    choices = data.get("choices")
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
    )


def _cut(words: str) -> sse.BrokenStreamError:
    return sse.BrokenStreamError("proxy.upstream_cut", words)


def _not_of_its_api(problem: Exception) -> sse.BrokenStreamError:
    words = f"an event that its API does not have ({type(problem).__name__}: {problem})"
    return sse.BrokenStreamError("proxy.upstream_malformed", words)
