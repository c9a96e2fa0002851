"""A loopback server that speaks the model APIs for real, with every way they go wrong."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any], int], str]


class Upstream:
    """`answer(request, number)` gives the text of reply `number`; `faults` go wrong first.

    A fault is one of: 429, 500, 529, `cut`, `garbage`, `slow`, `error-event`.
    """

    def __init__(self, answer: Answer, faults: Callable[[int], object] = lambda _: None) -> None:
        self.answer, self.faults = answer, faults
        self.requests: list[dict[str, Any]] = []
        self.replies = 0
        self.lock = threading.Lock()
        self.url = ""


@contextmanager
def serving(upstream: Upstream) -> Iterator[Upstream]:  # noqa: C901 (one server)
    """Serve on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with upstream.lock:
                number = len(upstream.requests)
                upstream.requests.append({"path": self.path, **body})
            fault = upstream.faults(number)
            if isinstance(fault, int):
                self._plain(fault, b'{"error": {"message": "no"}}', {"retry-after": "0.01"})
            elif fault == "garbage":
                self._plain(200, b"<html>maintenance</html>", {})
            elif self.path == "/v1/embeddings":
                self._embeddings(body)
            else:
                self._stream(body, fault)

        def _plain(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _embeddings(self, body: dict[str, Any]) -> None:
            rows = [
                {"index": n, "embedding": [random.Random(f"{t}{i}").gauss(0, 1) for i in range(16)]}  # noqa: S311
                for n, t in enumerate(body["input"])
            ]
            self._plain(200, json.dumps({"data": rows[::-1]}).encode(), {})

        def _stream(self, body: dict[str, Any], fault: object) -> None:
            with upstream.lock:
                text = upstream.answer(body, upstream.replies)
                upstream.replies += fault is None or fault == "slow"
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            events = list(openai(text) if "chat" in self.path else anthropic(text))
            if fault == "cut":
                events = events[: len(events) // 2]
            if fault == "error-event":
                events = ['data: {"type": "error", "error": {"message": "overloaded"}}\n\n']
            for event in events:
                if fault == "slow":
                    time.sleep(0.01)
                self.wfile.write(event.encode())
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    upstream.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def openai(text: str) -> Iterator[str]:
    """The events of a chat completion."""
    for at in range(0, len(text), 7):
        yield f"data: {json.dumps({'choices': [{'delta': {'content': text[at : at + 7]}}]})}\n\n"
    last = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    yield f"data: {json.dumps(last)}\n\n"
    usage = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5}}
    yield f"data: {json.dumps(usage)}\n\n"
    yield "data: [DONE]\n\n"


def anthropic(text: str) -> Iterator[str]:
    """The events of the Messages API."""
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 11}}}
    yield f"event: message_start\ndata: {json.dumps(start)}\n\n"
    for at in range(0, len(text), 7):
        delta = {"type": "content_block_delta", "delta": {"type": "text_delta"}}
        delta["delta"]["text"] = text[at : at + 7]  # type: ignore[index]
        yield f"event: content_block_delta\ndata: {json.dumps(delta)}\n\n"
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    yield f"data: {json.dumps({**stop, 'usage': {'output_tokens': 5}})}\n\n"
    yield 'data: {"type": "message_stop"}\n\n'
