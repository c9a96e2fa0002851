"""Files are read in a real sandbox that shows one workspace, and nothing runs without it."""

from __future__ import annotations

import base64
import concurrent.futures
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Desk:
    """A workspace of its own for one test, on a service that the module shares."""

    executor: Any
    session: str

    @property
    def place(self) -> Path:
        directory: Path = self.executor.root / "meso/workspaces" / self.session / "main"
        return directory

    def read(self, path: str, **more: Any) -> Any:
        body = {"session": self.session, "path": path, **more}
        return self.executor.client.post("/v1/tools/read", json=body)

    def refused(self, path: str, **more: Any) -> tuple[int, str]:
        return _outcome(self.read(path, **more))


def _outcome(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def _desk(executor: Any) -> Desk:
    desk = Desk(executor, f"s-{secrets.token_hex(4)}")
    reply = executor.client.post("/v1/workspaces", json={"session": desk.session})
    assert (reply.status_code, reply.json()["created"]) == (201, True)
    return desk


@pytest.fixture(scope="module")
def executor(shared_service: Any) -> Any:
    return shared_service("tool-executor")


@pytest.fixture
def desk(executor: Any) -> Desk:
    return _desk(executor)


def test_a_file_is_read_with_its_lines(desk: Desk) -> None:
    (desk.place / "notes").mkdir()
    (desk.place / "notes/a.txt").write_text("first\nsécond\n\nlast")
    reply = desk.read("notes/../notes/./a.txt").json()
    assert reply["lines"] == ["first", "sécond", "", "last"]
    assert reply["path"] == "/workspace/notes/a.txt"
    assert (reply["kind"], reply["encoding"], reply["size"]) == ("text", "utf-8", 19)
    assert reply["next_offset"] is None


def test_a_range_of_lines_says_where_to_go_on(desk: Desk) -> None:
    (desk.place / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 5001)))
    reply = desk.read("/workspace/long.txt", offset=100, limit=3).json()
    assert reply["lines"] == ["line 100", "line 101", "line 102"]
    assert (reply["first_line"], reply["next_offset"]) == (100, 103)
    everything, offset = [], 1
    while offset is not None:
        reply = desk.read("long.txt", offset=offset).json()
        everything += reply["lines"]
        offset = reply["next_offset"]
    assert everything == [f"line {n}" for n in range(1, 5001)]
    assert desk.read("long.txt", offset=9999).json()["lines"] == []


def test_a_huge_file_and_a_huge_line_are_cut_and_say_so(desk: Desk) -> None:
    (desk.place / "one-line").write_text("ä" * 400_000 + "\nnext\n")
    reply = desk.read("one-line").json()
    assert reply["cut_lines"] == [1]
    assert reply["lines"] == ["ä" * (256 * 1024 // 2)]
    assert reply["next_offset"] == 2
    assert desk.read("one-line", offset=2).json()["lines"] == ["next"]
    with (desk.place / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert desk.read("sparse").json()["kind"] == "binary"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", {"kind": "text", "lines": []}),
        (b"\n\n", {"kind": "text", "lines": ["", ""]}),
        (b"a\r\nb", {"kind": "text", "lines": ["a\r", "b"]}),
        (b"\xef\xbb\xbfabc", {"encoding": "utf-8-sig", "lines": ["abc"]}),
        ("grün\n".encode("utf-16"), {"encoding": "utf-16", "lines": ["grün"]}),
        (b"ok\ncaf\xe9\n", {"lines": ["ok", "caf\\xe9"], "escaped_lines": [2]}),
        (b"\x7fELF\0\1\2", {"kind": "binary", "encoding": None, "lines": []}),
        (b"a" * 9000 + b"\nx\0y\n", {"kind": "binary", "lines": []}),
        (b"\xff\xfe\x00\xd8", {"kind": "binary"}),
    ],
)
def test_encodings_are_shown_not_mangled(desk: Desk, raw: bytes, expected: dict[str, Any]) -> None:
    (desk.place / "f").write_bytes(raw)
    reply = desk.read("f").json()
    assert {key: reply[key] for key in expected} == expected
    if reply["kind"] == "binary":
        assert base64.b64decode(reply["base64"]) == raw


def test_names_of_any_kind_can_be_read(desk: Desk) -> None:
    for name in ("with\nnewline", "-rf", "ünï ☃", "$(id)", "'\"`", "a" * 255):
        (desk.place / name).write_text(name)
        assert desk.read(name).json()["lines"] == name.split("\n")


Place = Callable[[Path], object]


def _socket(place: Path) -> None:
    # A socket's path is short; bind by the directory's descriptor instead.
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(place)
        socket.socket(socket.AF_UNIX).bind("sock")
    finally:
        os.fchdir(here)
        os.close(here)


@pytest.mark.parametrize(
    ("prepare", "path", "outcome"),
    [
        (None, "missing", (404, "tools.not_found")),
        (None, "a" * 300, (404, "tools.not_found")),
        (None, ".", (422, "tools.not_a_file")),
        (None, "/workspace", (422, "tools.not_a_file")),
        (None, "/etc/passwd", (403, "tools.path_escape")),
        (None, "/proc/self/environ", (403, "tools.path_escape")),
        (None, "/workspace/../etc/passwd", (403, "tools.path_escape")),
        (None, "../../s2/main/secret", (403, "tools.path_escape")),
        (None, "/workspace2/x", (403, "tools.path_escape")),
        (lambda w: (w / "l").symlink_to("/etc/passwd"), "l", (403, "tools.path_escape")),
        (lambda w: (w / "l").symlink_to("../../s2"), "l/main/secret", (403, "tools.path_escape")),
        (lambda w: (w / "l").symlink_to("/workspace/../usr"), "l/x", (403, "tools.path_escape")),
        (lambda w: (w / "l").symlink_to("l"), "l", (404, "tools.not_found")),
        (lambda w: (w / "d").mkdir(), "d", (422, "tools.not_a_file")),
        (lambda w: os.mkfifo(w / "p"), "p", (422, "tools.not_a_file")),
        (_socket, "sock", (422, "tools.not_a_file")),
        (
            lambda w: os.mknod(w / "zero", 0o20666, os.makedev(1, 5)),
            "zero",
            (422, "tools.not_a_file"),
        ),
        (lambda w: (w / "f").write_text("x"), "f/g", (404, "tools.not_found")),
    ],
)
def test_what_is_no_file_of_the_workspace_is_refused(
    desk: Desk, prepare: Place | None, path: str, outcome: tuple[int, str]
) -> None:
    other = desk.executor.root / "meso/workspaces/s2/main"
    other.mkdir(parents=True, exist_ok=True)
    (other / "secret").write_text("secret")
    if prepare:
        try:
            prepare(desk.place)
        except PermissionError:
            pytest.skip("making device nodes needs root")
    began = time.monotonic()
    assert desk.refused(path) == outcome
    assert time.monotonic() - began < 5


def test_links_inside_the_workspace_work(desk: Desk) -> None:
    (desk.place / "d/e").mkdir(parents=True)
    (desk.place / "d/e/f").write_text("here")
    (desk.place / "d/relative").symlink_to("../d/e/f")
    (desk.place / "absolute").symlink_to("/workspace/d/relative")
    assert desk.read("absolute").json()["path"] == "/workspace/d/e/f"


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"session": "../s1", "path": "a"}, (422, "request.invalid")),
        ({"session": ".health", "path": "probe.txt"}, (422, "request.invalid")),
        ({"session": "s1", "branch": "..", "path": "a"}, (422, "request.invalid")),
        ({"session": "s1", "path": "a\0b"}, (422, "request.invalid")),
        ({"session": "s1", "path": ""}, (422, "request.invalid")),
        ({"session": "s1", "path": "a" * 5000}, (422, "request.invalid")),
        ({"session": "s1", "path": "a", "offset": 0}, (422, "request.invalid")),
        ({"session": "s1", "path": "a", "policy": "allow"}, (422, "request.invalid")),
        ({"session": "none", "path": "a"}, (404, "tools.no_such_workspace")),
        ({"session": "s2", "branch": "none", "path": "a"}, (404, "tools.no_such_workspace")),
    ],
)
def test_bad_requests_are_refused_with_a_code(
    executor: Any, body: dict[str, Any], outcome: tuple[int, str]
) -> None:
    executor.client.post("/v1/workspaces", json={"session": "s2"})
    assert _outcome(executor.client.post("/v1/tools/read", json=body)) == outcome


def test_a_workspace_that_is_a_link_is_none(executor: Any) -> None:
    (executor.root / "meso/workspaces/s9").mkdir(parents=True)
    (executor.root / "meso/workspaces/s9/main").symlink_to("/etc")
    body = {"session": "s9", "path": "passwd"}
    reply = executor.client.post("/v1/tools/read", json=body)
    assert reply.json()["error"]["code"] == "tools.no_such_workspace"


def test_making_a_workspace_twice_is_fine_and_lists_once(desk: Desk) -> None:
    client = desk.executor.client
    reply = client.post("/v1/workspaces", json={"session": desk.session})
    assert (reply.status_code, reply.json()["created"]) == (200, False)
    client.get("/healthz?deep=1")
    listed = client.get("/v1/workspaces").json()["workspaces"]
    assert listed.count({"session": desk.session, "branch": "main"}) == 1
    assert not [one for one in listed if one["session"].startswith(".")]


def test_many_calls_at_once_all_succeed(desk: Desk) -> None:
    (desk.place / "f").write_text("x\n")
    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        replies = list(pool.map(lambda _: desk.read("f"), range(50)))
    assert [reply.status_code for reply in replies] == [200] * 50


def test_a_call_that_takes_too_long_is_stopped(service: Any) -> None:
    """A line of four terabytes is not skipped within a second."""
    desk = _desk(service("tool-executor", {"call_seconds": 1}))
    with (desk.place / "f").open("wb") as file:
        file.write(b"x" * 10_000)
        file.truncate(1 << 42)
    began = time.monotonic()
    outcome = desk.refused("f", offset=2)
    assert outcome in [(504, "tools.timeout"), (422, "tools.killed")]
    assert time.monotonic() - began < 5


def test_deep_health_proves_the_sandbox(executor: Any) -> None:
    health = executor.client.get("/healthz?deep=1").json()
    found = {check["name"]: check for check in health["checks"]}
    assert {"sandbox", "limits", "audit", "isolation", "read"} == set(found)
    for name in ("sandbox", "isolation", "read"):
        assert found[name]["ok"], found[name]


def test_without_a_sandbox_nothing_runs(service: Any) -> None:
    """User namespaces that cannot be made: every call is refused, and health says failed."""
    executor = service("tool-executor", start=False)
    _start_without_namespaces(executor)
    desk = _desk(executor)
    (desk.place / "f").write_text("x")
    assert desk.refused("f") == (503, "tools.sandbox_unavailable")
    health = executor.client.get("/healthz")
    assert (health.status_code, health.json()["state"]) == (503, "failed")


def _start_without_namespaces(executor: Any) -> None:
    """Start the service in a user namespace whose limit of further ones is zero."""
    command = [
        *("unshare", "--user", "--map-root-user", "sh", "-c"),
        'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"',
        *("sh", sys.executable, "-m", "meso_services.tool_executor"),
        *("--root", str(executor.root)),
    ]
    with (executor.root / f"{executor.id}.log").open("ab") as log:
        executor.process = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdout=log, stderr=log
        )
    executor.wait_ready()
