"""A real registry on a loopback server, which a test may turn against its clients."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata
from tuf.api.serialization.json import JSONSerializer

from meso_host.registry.keys import Keys
from meso_host.registry.publish import publish
from meso_host.registry.repository import DAYS, Repository
from meso_services.registry.client import Registry, Trust
from meso_services.registry.fetch import Fetcher, direct

GENOME = Path(__file__).parents[3] / "genome"
Answer = Callable[[SimpleHTTPRequestHandler], None]


class Handler(SimpleHTTPRequestHandler):
    """Static files, but for the paths that a test answers itself."""

    answers: dict[str, Answer]

    def do_GET(self) -> None:
        for end, answer in self.answers.items():
            if self.path.endswith(end):
                answer(self)
                return
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@dataclass
class Site:
    """The registry's files, its owner's tools, its address, and a client's directory."""

    repository: Repository
    url: str
    client_place: Path
    answers: dict[str, Answer] = field(default_factory=dict)
    clock: list[datetime] = field(default_factory=list)

    def client(self, place: str = "client", **more: Any) -> Registry:
        trust = {"root_sha256": self.repository.root_sha256(), "cache_seconds": 3600.0}
        return Registry(
            self.client_place / place,
            Trust(self.url, **{**trust, **more}),
            Fetcher(direct, file_seconds=2),
            now=lambda: self.clock[-1] if self.clock else datetime.now(UTC),
        )

    def publish(self, folder: Path) -> None:
        publish(self.repository, [folder])

    def file(self, name: str) -> Path:
        return self.repository.metadata / name

    def newest(self, role: str) -> Path:
        return self.repository._newest(role)

    def forge(self, path: Path, change: Callable[[Any], None], *roles: str, to: str = "") -> bytes:
        """Change signed metadata and sign it with the keys of `roles` (as a thief would)."""
        metadata: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
        change(metadata.signed)
        metadata.signatures.clear()
        for role in roles:
            metadata.sign(self.repository.keys.signer(role), append=True)
        raw = metadata.to_bytes(JSONSerializer())
        (self.file(to) if to else path).write_bytes(raw)
        return raw


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A registry that lists the starter genome's `math`."""
    repository = Repository(tmp_path / "registry", Keys(tmp_path / "keys"), DAYS)
    repository.create()
    handler = type("Answers", (Handler,), {"answers": {}})
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(repository.directory))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        made = Site(repository, url, tmp_path / "clients", handler.answers)
        made.publish(GENOME / "operons/math")
        yield made
        server.shutdown()


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The same operon, one version later."""
    folder = tmp_path / "next/math"
    folder.mkdir(parents=True)
    for name in ("OPERON.md", "tests.yaml"):
        text = (GENOME / "operons/math" / name).read_text()
        (folder / name).write_text(text.replace("version: v1", "version: v2"))
    return folder
