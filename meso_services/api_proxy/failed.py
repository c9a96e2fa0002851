"""An attempt that did not give the client an answer, and what may be done about it."""

from __future__ import annotations

import email.utils
import random
import time
from dataclasses import dataclass

from meso_services.api_proxy.faces.face import Face
from meso_services.api_proxy.routing.settings import Retry
from meso_services.api_proxy.translate.errors import UpstreamSaidError, body
from meso_services.api_proxy.upstreams.answer import Answer
from meso_services.api_proxy.upstreams.connections import FailureError

# The upstream may answer the same request a moment later.
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# Another upstream may answer what this one refuses to this operator.
ELSEWHERE = AGAIN | {401, 402, 403, 404}
_JSON = ("content-type", "application/json")


class FailedError(Exception):
    """`status`, `headers` and `body` are what the client gets if nothing else helps."""

    def __init__(self, reply: Reply, *, code: str, again: bool, elsewhere: bool) -> None:
        super().__init__(code)
        self.reply, self.code = reply, code
        self.again, self.elsewhere = again, elsewhere
        self.pause: float | None = None

    @property
    def fault(self) -> bool:
        """True if it speaks against the upstream; an error of the caller's does not."""
        return self.reply.status >= 500 or self.reply.status == 429


@dataclass(frozen=True)
class Reply:
    """A complete answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def unusable(face: Face, upstream: str, failure: FailureError) -> FailedError:
    """The upstream could not be asked, or its answer could not be used."""
    said = UpstreamSaidError(failure.status, f"upstream {upstream} {failure.words}", failure.code)
    reply = Reply(failure.status, (_JSON,), body(face, failure.status, said))
    return FailedError(reply, code=failure.code, again=True, elsewhere=True)


def said(face: Face, error: UpstreamSaidError) -> FailedError:
    """An error inside an answer that called itself a success."""
    again = error.status in AGAIN
    headers = (_JSON,) if again else (_JSON, ("x-should-retry", "false"))
    reply = Reply(error.status, headers, body(face, error.status, error))
    elsewhere = error.status in ELSEWHERE
    return FailedError(reply, code="proxy.upstream_error", again=again, elsewhere=elsewhere)


def refused(answer: Answer, reply: Reply) -> FailedError:
    """The upstream answered with an error status."""
    status = answer.status
    wants = answer.header("x-should-retry")
    failed = FailedError(
        reply,
        code="proxy.upstream_error",
        again=wants != "false" and (status in AGAIN or wants == "true"),
        elsewhere=status in ELSEWHERE,
    )
    failed.pause = retry_after(answer)
    return failed


def retry_after(answer: Answer) -> float | None:
    """The pause in seconds that the upstream asks for, in any of three ways."""
    try:
        if ms := answer.header("retry-after-ms"):
            return max(0.0, float(ms) / 1000)
        if text := answer.header("retry-after"):
            if text.strip().isdigit():
                return float(text)
            return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        pass
    return None


def pause(retry: Retry, attempt: int, failed: FailedError) -> float | None:
    """Seconds to wait before attempt `attempt` (the first retry is 1); None: do not try again."""
    if not failed.again or attempt > retry.attempts:
        return None
    if failed.pause is not None:
        return failed.pause if failed.pause <= retry.longest_seconds else None
    longest = min(retry.longest_seconds, retry.first_seconds * 2.0 ** (attempt - 1))
    # Many clients that fail together must not come back together.
    return float(longest) * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)
