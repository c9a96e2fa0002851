"""What the tests of the host share: a mirror on loopback that can misbehave, and packages."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Mirror:
    """A web server over `root`. The first `cut` replies break off in the middle."""

    root: Path
    url: str = ""
    cut: int = 0
    ranges: list[str] = field(default_factory=list)
    sent: int = 0

    def put(self, path: str, data: bytes) -> None:
        """Have a file at `path` below the address."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = mirror.root / unquote(self.path).lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            wanted = self.headers.get("Range", "")
            mirror.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            body = data[start:]
            if mirror.cut > 0:
                mirror.cut -= 1
                body = body[: len(body) // 2]
                self.close_connection = True
            mirror.sent += len(body)
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """A mirror on loopback, empty at first."""
    made = Mirror(tmp_path / "mirror")
    made.root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror, no cache and no configuration of whoever runs the tests."""
    for name in ("MESO_MIRROR", "MESO_PYPI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


MakeDeb = Callable[..., Path]


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def make_deb(tmp_path: Path) -> MakeDeb:
    """Writes a real package file from the files of its control and data parts."""

    def make(name: str, control: dict[str, bytes], data: dict[str, bytes] | None = None) -> Path:
        path = tmp_path / f"{name}.deb"
        members = {
            "debian-binary": b"2.0\n",
            "control.tar.xz": _tar(control),
            "data.tar.xz": _tar(data or {}),
        }
        with path.open("wb") as out:
            out.write(b"!<arch>\n")
            for member, body in members.items():
                head = f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n"
                out.write(head.encode() + body + b"\n" * (len(body) % 2))
        return path

    return make
