"""A notice of failure reaches the operator's webhook through the true egress door, by TLS."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from meso_services.boot import webhook
from meso_services.runtime import process

DOCUMENT = {"schema": 1, "hostname": "box", "unit": "meso-mind-runner.service"}


@dataclass
class Hook:
    """An HTTPS server on loopback, and what it was sent."""

    port: int = 0
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    got: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    new = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", *subject]
    process.run([*new, "-keyout", key, "-out", cert])
    made = Hook(context=ssl.create_default_context(cafile=str(cert)))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((self.path, json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def begin(service: Any, allow: list[str]) -> Path:
    """The API proxy with a list of hosts; the directory of its sockets."""
    settings = {"egress": {"allow": allow, "networks": ["127.0.0.0/8", "::1/128"]}}
    running: Path = service("api-proxy", settings=settings).socket
    return running.parent


def test_the_webhook_gets_the_document(service: Any, hook: Hook) -> None:
    run = begin(service, [f"localhost:{hook.port}"])
    said = webhook.post(run, f"https://localhost:{hook.port}/a?b=c", DOCUMENT, hook.context)
    assert said == "the webhook at localhost answered 204"
    assert hook.got == [("/a?b=c", DOCUMENT)]


def test_a_host_that_the_operator_does_not_allow_is_not_told(service: Any, hook: Hook) -> None:
    run = begin(service, ["example.org"])
    said = webhook.post(run, f"https://localhost:{hook.port}/", DOCUMENT, hook.context)
    assert said.startswith("the webhook at localhost was not told: ")
    assert hook.got == []


def test_a_certificate_that_nobody_trusts_is_refused(service: Any, hook: Hook) -> None:
    run = begin(service, [f"localhost:{hook.port}"])
    said = webhook.post(run, f"https://localhost:{hook.port}/", DOCUMENT)
    assert "certificate verify failed" in said
    assert hook.got == []


def test_without_a_proxy_it_says_so(tmp_path: Path) -> None:
    said = webhook.post(tmp_path, "https://localhost/", DOCUMENT)
    assert said.startswith("the webhook at localhost was not told: ")
