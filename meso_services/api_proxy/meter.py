"""Count what an answer took, from what the upstream says, else from its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meso_services.api_proxy.care.interface import Usage
from meso_services.api_proxy.facts import BYTES_PER_TOKEN
from meso_services.api_proxy.translate.words import number

# A provider's figures end up in databases; none of them is larger than this.
MOST = 1 << 40
_AROUND = frozenset({"type", "role", "signature"})


class Meter:
    """One answer. Counts are the upstream's own where it gives any."""

    def __init__(self, asked_tokens: int, *, answers: bool = True) -> None:
        """`answers` is false where the answer holds no tokens of output, as vectors do."""
        self._asked, self._answers = asked_tokens, answers
        self._said: dict[str, Any] = {}
        self._bytes = 0
        self._any = False

    def whole(self, answer: Any, size: int) -> None:
        """A complete answer of `size` bytes."""
        self._any = True
        self._bytes += size
        if isinstance(answer, dict):
            self._take(answer)

    def event(self, data: Any) -> None:
        """One event of a stream."""
        self._any = True
        if not isinstance(data, dict):
            return
        self._bytes += _text_bytes(data)
        self._take(data)
        if isinstance(message := data.get("message"), dict):
            self._take(message)
        if isinstance(answer := data.get("response"), dict):
            self._take(answer)

    @property
    def usage(self) -> Usage | None:
        """What is known so far; None if the upstream has sent nothing."""
        if not self._any:
            return None
        read = _anthropic if "prompt_tokens" not in self._said else _openai
        used = read(self._said)
        if "input_tokens" not in self._said and "prompt_tokens" not in self._said:
            return Usage(input=self._asked, output=self._seen)
        # A stream that was cut has told how large the question was, not yet the answer.
        told = used.output + used.reasoning
        return used if told > 1 else replace(used, output=max(self._seen, told), reasoning=0)

    @property
    def _seen(self) -> int:
        """Tokens of output, by their size."""
        return self._bytes // BYTES_PER_TOKEN if self._answers else 0

    def _take(self, holder: Mapping[str, Any]) -> None:
        usage = holder.get("usage")
        if isinstance(usage, dict):
            self._said |= {name: value for name, value in usage.items() if value is not None}
        elif isinstance(counts := holder.get("tokens"), list):
            # meso-embed counts text by text.
            self._said["input_tokens"] = sum(n for n in counts if isinstance(n, int))


def _anthropic(said: Mapping[str, Any]) -> Usage:
    thought = number(said.get("output_tokens_details"), "thinking_tokens") or number(
        said.get("output_tokens_details"), "reasoning_tokens"
    )
    cached = number(said.get("input_tokens_details"), "cached_tokens")  # /v1/responses
    written = number(said, "cache_creation_input_tokens")
    return _bounded(
        number(said, "input_tokens") - cached,
        number(said, "output_tokens") - thought,
        number(said, "cache_read_input_tokens") + cached,
        written,
        thought,
        min(written, number(said.get("cache_creation"), "ephemeral_1h_input_tokens")),
    )


def _openai(said: Mapping[str, Any]) -> Usage:
    details = said.get("prompt_tokens_details")
    read, written = number(details, "cached_tokens"), number(details, "cache_write_tokens")
    thought = number(said.get("completion_tokens_details"), "reasoning_tokens")
    return _bounded(
        number(said, "prompt_tokens") - read - written,
        number(said, "completion_tokens") - thought,
        read,
        written,
        thought,
    )


def _bounded(*counts: int) -> Usage:
    return Usage(*(min(max(count, 0), MOST) for count in counts))


def _text_bytes(data: Mapping[str, Any]) -> int:
    """The size of the text in one event, in either API's words."""
    delta = data.get("delta")
    if isinstance(delta, dict):
        return _letters(delta)
    if isinstance(delta, str):
        return len(delta)
    choices = data.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        inner = choices[0].get("delta")
        if isinstance(inner, dict):
            return _letters(inner) + sum(
                len((call.get("function") or {}).get("arguments") or "")
                for call in inner.get("tool_calls") or ()
                if isinstance(call, dict)
            )
    return 0


def _letters(delta: Mapping[str, Any]) -> int:
    """Those of the answer itself, not the words around it."""
    texts = (text for name, text in delta.items() if name not in _AROUND)
    return sum(len(text) for text in texts if isinstance(text, str))
