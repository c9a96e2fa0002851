"""Call a service over its socket, with typed messages, through restarts."""

from __future__ import annotations

import json
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import ValidationError

from meso_services.contract.common import ErrorInfo, ErrorReply, Health, Message
from meso_services.contract.session import (
    CreateSession,
    Entries,
    Entry,
    EntryPage,
    NewEntries,
    NewEntry,
    Session,
    SessionPage,
)

RUN = Path("/run/meso")
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
# The service refused before it began: the same request may be sent again.
TRY_AGAIN = frozenset({"service.busy", "service.too_many_connections"})

# Knows no certificate, so it is made at once; it is never used.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

M = TypeVar("M", bound=Message)


class CallError(Exception):
    """A service answered with an error, or could not be reached (`status` 0)."""

    def __init__(self, service: str, status: int, info: ErrorInfo) -> None:
        super().__init__(f"{service}: {info.message}" + (f" ({info.hint})" if info.hint else ""))
        self.service = service
        self.status = status
        self.info = info

    @property
    def code(self) -> str:
        """The stable code, for example `session.not_found`."""
        return self.info.code


class Connection:
    """One service, by its socket. Not for several threads at once.

    `patience` is for how many seconds a call is repeated while the service restarts. A call
    that changes something is repeated only under an idempotency key.
    """

    def __init__(
        self, service: str, run: Path = RUN, *, timeout: float = 60.0, patience: float = 15.0
    ) -> None:
        self.service = service
        self._patience = patience
        self._socket = run / f"{service}.sock"
        # A socket of this machine: no proxy, and no TLS, whose certificates take 50 ms to read.
        transport = httpx.HTTPTransport(uds=str(self._socket), verify=NO_TLS)
        self._http = httpx.Client(
            transport=transport, base_url="http://meso", timeout=timeout, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, reply: type[M], /, **query: Any) -> M:
        """GET `path`; None in `query` is left out. Raises CallError."""
        given = {name: value for name, value in query.items() if value is not None}
        request = self._http.build_request("GET", path, params=given)
        return self._typed(self._repeated(request), reply)

    def post(
        self,
        path: str,
        body: Message,
        reply: type[M],
        *,
        key: str | None = None,
        once: bool = False,
    ) -> M:
        """POST `body` under an idempotency key (`key`, or a fresh one). Raises CallError.

        `once` is for routes that know no such key: the request is never sent twice.
        """
        return self._change("POST", path, body, reply, key, once=once)

    def patch(self, path: str, body: Message, reply: type[M], *, key: str | None = None) -> M:
        """PATCH `path` with what is set in `body`, under an idempotency key. Raises CallError."""
        return self._change("PATCH", path, body, reply, key, once=False)

    def put(self, path: str, body: Message, reply: type[M]) -> M:
        """PUT `path`: the same again changes nothing more. Raises CallError."""
        return self._change("PUT", path, body, reply, None, once=False)

    def delete(self, path: str, reply: type[M]) -> M:
        """DELETE `path`. Raises CallError."""
        return self._typed(self._repeated(self._http.build_request("DELETE", path)), reply)

    def _change(  # noqa: PLR0913 (what makes up one request)
        self, method: str, path: str, body: Message, reply: type[M], key: str | None, *, once: bool
    ) -> M:
        headers = {"content-type": "application/json"}
        if not once:
            headers["idempotency-key"] = key or uuid.uuid4().hex
        # Only what was set: for some keys, null and absent mean different things.
        content = body.model_dump_json(exclude_unset=True, by_alias=True)
        request = self._http.build_request(method, path, content=content, headers=headers)
        return self._typed(self._send(request) if once else self._repeated(request), reply)

    def lines(
        self, path: str, body: Message | None = None, *, key: str | None = None
    ) -> Iterator[str]:
        """The lines of a streamed answer (NDJSON) as they come: POST `body`, or GET without one.

        Silence has no limit here: the service bounds the call. Raises CallError.
        """
        headers = {"accept": "application/x-ndjson", "content-type": "application/json"}
        if body is not None:
            headers["idempotency-key"] = key or uuid.uuid4().hex
        request = self._http.build_request(
            "GET" if body is None else "POST",
            path,
            content=None
            if body is None
            else body.model_dump_json(exclude_unset=True, by_alias=True),
            headers=headers,
            timeout=httpx.Timeout(self._http.timeout.connect, read=None),
        )
        answer = self._send(request, stream=True)
        try:
            if not answer.is_success:
                answer.read()
                raise CallError(self.service, answer.status_code, _error(answer))
            yield from _lines(answer.iter_raw())
        except httpx.TransportError as problem:
            raise self._unreachable(problem) from problem
        finally:
            answer.close()

    def health(self, *, deep: bool = False) -> Health:
        """The service's health; a failed service is an answer, not an error."""
        request = self._http.build_request("GET", "/healthz", params={"deep": int(deep)})
        answer = self._send(request)
        try:
            return Health.model_validate_json(answer.content)
        except ValidationError:
            return self._typed(answer, Health)

    def _repeated(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                answer = self._send(request)
                if _error(answer).code not in TRY_AGAIN or time.monotonic() >= deadline:
                    return answer
            except CallError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        try:
            return self._http.send(request, stream=stream)
        except httpx.TransportError as problem:
            raise self._unreachable(problem) from problem

    def _unreachable(self, problem: httpx.TransportError) -> CallError:
        info = ErrorInfo(
            code="service.unreachable",
            message=f"no answer on {self._socket}: {str(problem) or type(problem).__name__}",
            hint=f"`systemctl status meso-{self.service}` shows the service",
        )
        return CallError(self.service, 0, info)

    def _typed(self, answer: httpx.Response, reply: type[M]) -> M:
        if answer.is_success:
            # Not pydantic's own reader: it refuses half a character, which old files contain.
            return reply.model_validate(json.loads(answer.content))
        raise CallError(self.service, answer.status_code, _error(answer))


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Lines that end in a line feed and in nothing else (JSON may hold the other separators)."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in whole if line)
    if rest:
        yield rest.decode()


def _error(answer: httpx.Response) -> ErrorInfo:
    if answer.is_success:
        return ErrorInfo(code="", message="")
    try:
        return ErrorReply.model_validate_json(answer.content).error
    except ValidationError:
        return ErrorInfo(code="service.unknown_error", message=f"HTTP {answer.status_code}")


class SessionManager:
    """The session manager's calls."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection

    def create(self, wanted: CreateSession, *, key: str | None = None) -> Session:
        """Create a session."""
        return self._call.post("/v1/sessions", wanted, Session, key=key)

    def show(self, session: str) -> Session:
        """One session's facts."""
        return self._call.get(f"/v1/sessions/{session}", Session)

    def sessions(self) -> Iterator[Session]:
        """All sessions, oldest first."""
        after: str | None = None
        while True:
            page = self._call.get("/v1/sessions", SessionPage, after=after)
            yield from page.sessions
            if (after := page.next) is None:
                return

    def append(self, session: str, entry: NewEntry, *, key: str | None = None) -> Entry:
        """Append an entry; it is durable when this returns."""
        return self._call.post(f"/v1/sessions/{session}/entries", entry, Entry, key=key)

    def append_all(self, session: str, entries: NewEntries, *, key: str | None = None) -> Entries:
        """Append several entries as one piece; all are durable when this returns."""
        return self._call.post(f"/v1/sessions/{session}/entries/batch", entries, Entries, key=key)

    def entries(self, session: str, after: str | None = None) -> Iterator[Entry]:
        """The session's entries in the order of appending, page by page."""
        while True:
            path = f"/v1/sessions/{session}/entries"
            page = self._call.get(path, EntryPage, after=after, limit=1000)
            yield from page.entries
            if (after := page.next) is None:
                return


def message(role: str, content: Any, **more: Any) -> NewEntry:
    """A message entry that attaches to the leaf."""
    said: Mapping[str, Any] = {"role": role, "content": content, **more}
    return NewEntry(type="message", data={"message": dict(said)})
