"""Ask a model: chat completions or the Messages API, streamed, with patience for what goes wrong.

Through the API proxy's socket on an appliance; elsewhere to any server that speaks one of both.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx

from meso_services.contract.client import NO_TLS
from meso_services.runtime.errors import MesoError

TRIES = 6
LONGEST_PAUSE = 30.0
MOST_REPLY = 8 * 1024 * 1024
# Up to so many characters a reply is passed on as it grows.
MOST_HEARD = 64 * 1024
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
T = TypeVar("T")
Heard = Callable[[str], None]
Api = Literal["openai", "anthropic"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where models are asked: a base address without /v1, or a UNIX socket."""

    url: str = "http://meso"
    socket: str | None = None
    key: str | None = None
    api: Api = "openai"
    seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer. Token counts are 0 where the server does not give them."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    tries: int = 1
    stopped: str = ""


class _RetryError(Exception):
    def __init__(self, said: str, after: float | None = None) -> None:
        super().__init__(said)
        self.after = after


@dataclass(slots=True)
class Client:
    """A connection to models. `sleep` and `note` can be replaced; `note` is told each retry."""

    endpoint: Endpoint
    sleep: Callable[[float], None] = time.sleep
    note: Callable[[str], None] = lambda _: None
    _http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        given = self.endpoint
        transport = httpx.HTTPTransport(uds=given.socket, verify=NO_TLS) if given.socket else None
        timeout = httpx.Timeout(given.seconds, connect=10.0)
        self._http = httpx.Client(
            transport=transport, base_url=given.url, timeout=timeout, trust_env=not given.socket
        )

    def ask(
        self, model: str, system: str, text: str, most_tokens: int, heard: Heard | None = None
    ) -> Reply:
        """The model's answer. Raises `mind.model_refused` or `mind.model_unreachable`.

        `heard` is told what was said so far, each time a line has ended.
        """
        said_so_far = _Listener(heard)
        if self.endpoint.api == "anthropic":
            body: dict[str, Any] = {"model": model, "max_tokens": most_tokens, "system": system}
            body |= {"messages": [{"role": "user", "content": text}], "stream": True}
            read = partial(_read_anthropic, listener=said_so_far)
            return _counted(*self._repeated("/v1/messages", body, read))
        said = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        body = {"model": model, "max_tokens": most_tokens, "messages": said, "stream": True}
        body["stream_options"] = {"include_usage": True}
        read = partial(_read_openai, listener=said_so_far)
        return _counted(*self._repeated("/v1/chat/completions", body, read))

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        """One vector a text, by the embeddings API. Raises like `ask`."""

        def read(answer: httpx.Response) -> list[list[float]]:
            answer.read()
            try:
                rows = sorted(answer.json()["data"], key=lambda row: row["index"])
                found = [[float(x) for x in row["embedding"]] for row in rows]
            except (ValueError, KeyError, TypeError) as problem:
                raise _RetryError(f"embeddings in no form that is known: {problem}") from None
            if len(found) != len(texts):
                raise _RetryError(f"{len(found)} embeddings for {len(texts)} texts")
            return found

        return self._repeated("/v1/embeddings", {"model": model, "input": texts}, read)[0]

    def _repeated(
        self, path: str, body: dict[str, Any], read: Callable[[httpx.Response], T]
    ) -> tuple[T, int]:
        if self.endpoint.socket and not Path(self.endpoint.socket).exists():
            # While a service restarts its socket stays: without one there is nobody to wait for.
            raise MesoError(
                "mind.model_unreachable",
                f"there is no API proxy at {self.endpoint.socket}",
                status=503,
                hint="`meso status` says how it is",
            )
        last = ""
        for attempt in range(TRIES):
            try:
                found = self._once(path, body, read)
                return found, attempt + 1
            except _RetryError as problem:
                last = str(problem)
                pause = problem.after
            except (httpx.HTTPError, httpx.StreamError) as problem:
                last, pause = f"{type(problem).__name__}: {problem}", None
            if attempt + 1 < TRIES:
                wait = min(LONGEST_PAUSE, 0.5 * 2**attempt if pause is None else pause)
                self.note(f"{last}; trying again in {wait:.1f} s")
                self.sleep(wait * random.uniform(0.9, 1.1))  # noqa: S311 (spreads retries)
        raise MesoError(
            "mind.model_unreachable",
            f"{body['model']} did not answer in {TRIES} tries: {last}",
            status=502,
            hint="the mind is as it was before this iteration; run it again",
        )

    def _once(self, path: str, body: dict[str, Any], read: Callable[[httpx.Response], T]) -> Any:
        with self._http.stream("POST", path, json=body, headers=self._headers()) as answer:
            if answer.is_success:
                return read(answer)
            data = b""
            for piece in answer.iter_bytes():
                data = (data + piece)[:4000]
            said = f"HTTP {answer.status_code} {data.decode(errors='replace')[:400]}".strip()
            final = answer.headers.get("x-should-retry") == "false"
            if answer.status_code in _AGAIN and not final:
                raise _RetryError(said, _after(answer.headers.get("retry-after")))
        raise MesoError(
            "mind.model_refused",
            f"{body['model']}: {said}",
            status=502,
            hint="check the model's name, its key and the proxy's upstreams; `mind config` shows "
            "the model",
        )

    def _headers(self) -> dict[str, str]:
        key = self.endpoint.key
        if self.endpoint.api == "anthropic":
            return {"anthropic-version": "2023-06-01"} | ({"x-api-key": key} if key else {})
        return {"authorization": f"Bearer {key}"} if key else {}


def _counted(reply: Reply, tries: int) -> Reply:
    return replace(reply, tries=tries)


def _after(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def _events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON of a stream's events. `[DONE]` is an event of its own."""
    size = 0
    for line in answer.iter_lines():
        size += len(line)
        if size > 4 * MOST_REPLY:
            raise _RetryError("the stream does not end")
        if not line.startswith("data:"):
            continue
        text = line[5:].strip()
        if text == "[DONE]":
            yield {"done": True}
            return
        try:
            value = json.loads(text)
        except ValueError:
            raise _RetryError(f"an event that is not JSON: {text[:80]!r}") from None
        if isinstance(value, dict):
            yield value


class _Listener:
    """Passes a reply on as it grows, line by line, up to a size that is usual."""

    def __init__(self, heard: Heard | None) -> None:
        self._heard, self._size = heard, 0

    def begin(self) -> list[str]:
        """The parts of a new attempt."""
        self._size = 0
        return []

    def add(self, parts: list[str], piece: str) -> None:
        """One more piece."""
        parts.append(piece)
        self._size += len(piece)
        if self._heard is not None and "\n" in piece and self._size <= MOST_HEARD:
            self._heard("".join(parts))


def _read_openai(answer: httpx.Response, listener: _Listener) -> Reply:
    if "event-stream" not in answer.headers.get("content-type", ""):
        return _whole_openai(answer)
    parts = listener.begin()
    usage: dict[str, Any] = {}
    stopped, done = "", False
    for event in _events(answer):
        if event.get("error"):
            raise _RetryError(f"an error in the stream: {str(event['error'])[:300]}")
        done = done or bool(event.get("done"))
        usage = event.get("usage") or usage
        for choice in event.get("choices") or []:
            delta = choice.get("delta") or {}
            listener.add(parts, delta.get("content") or "")
            stopped = choice.get("finish_reason") or stopped
    if not done and not stopped:
        raise _RetryError("the stream was cut")
    tokens = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return Reply("".join(parts), *tokens, stopped=stopped)


def _whole_openai(answer: httpx.Response) -> Reply:
    answer.read()
    try:
        value = answer.json()
        choice = value["choices"][0]
        usage = value.get("usage") or {}
        text = choice["message"].get("content") or ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise _RetryError(f"an answer in no form that is known: {answer.text[:120]!r}") from None
    tokens = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return Reply(str(text), *tokens, stopped=str(choice.get("finish_reason") or ""))


def _read_anthropic(answer: httpx.Response, listener: _Listener) -> Reply:
    if "event-stream" not in answer.headers.get("content-type", ""):
        return _whole_anthropic(answer)
    parts = listener.begin()
    counts = {"input_tokens": 0, "output_tokens": 0}
    stopped, done = "", False
    for event in _events(answer):
        match event.get("type"):
            case "error":
                raise _RetryError(f"an error in the stream: {str(event.get('error'))[:300]}")
            case "message_start":
                counts |= _usage(event.get("message") or {})
            case "content_block_delta":
                listener.add(parts, (event.get("delta") or {}).get("text") or "")
            case "message_delta":
                counts |= _usage(event)
                stopped = (event.get("delta") or {}).get("stop_reason") or stopped
            case "message_stop":
                done = True
            case _:
                pass
    if not done:
        raise _RetryError("the stream was cut")
    tokens = counts["input_tokens"], counts["output_tokens"]
    return Reply("".join(parts), *tokens, stopped=stopped)


def _whole_anthropic(answer: httpx.Response) -> Reply:
    answer.read()
    try:
        value = answer.json()
        text = "".join(block.get("text") or "" for block in value["content"])
        counts = {"input_tokens": 0, "output_tokens": 0} | _usage(value)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _RetryError(f"an answer in no form that is known: {answer.text[:120]!r}") from None
    stopped = str(value.get("stop_reason") or "")
    return Reply(text, counts["input_tokens"], counts["output_tokens"], stopped=stopped)


def _usage(value: dict[str, Any]) -> dict[str, int]:
    return {k: v for k, v in (value.get("usage") or {}).items() if isinstance(v, int)}
