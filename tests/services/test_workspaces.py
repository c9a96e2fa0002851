"""Workspaces over the socket: everything is captured, and comes back as it was."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

SESSION = "s1"


@pytest.fixture(scope="module")
def executor(shared_service: Any) -> Any:
    return shared_service("tool-executor")


class Space:
    """One session's workspaces."""

    def __init__(self, executor: Any, session: str) -> None:
        self.executor, self.session = executor, session
        self.ask("", 201, branch="main")
        self.place = executor.root / "meso/workspaces" / session

    def ask(self, path: str, status: int = 200, **body: Any) -> Any:
        with self.executor.client as client:
            body = {"session": self.session, **body}
            reply = client.post(f"/v1/workspaces{path}", json=body)
            assert reply.status_code == status, reply.text
            return reply.json()

    def snapshot(self, branch: str = "main") -> dict[str, Any]:
        return self.ask("/snapshot", branch=branch)

    def restore(self, snapshot: str, branch: str = "main") -> dict[str, Any]:
        return self.ask("/restore", branch=branch, snapshot=snapshot)


@pytest.fixture
def space(executor: Any, request: pytest.FixtureRequest) -> Space:
    return Space(executor, request.node.name[:60].replace("[", "-").replace("]", ""))


def listed(place: Path) -> dict[str, Any]:
    """Everything below a directory: bytes, link targets, whether it can be run."""
    found: dict[str, Any] = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = None
        else:
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
    return found


def fill(place: Path) -> None:
    """What agents leave about: ignored and odd files, a nested repository, links, empty places."""
    (place / "a.txt").write_text("one\r\n")
    (place / ".gitignore").write_text("*.log\nbuild/\n")
    (place / ".gitattributes").write_text("* text=auto eol=lf\n*.txt filter=evil\n")
    (place / "x.log").write_bytes(b"\0\xff ignored")
    (place / "build").mkdir()
    (place / "build/out").write_text("built")
    (place / "empty/inside").mkdir(parents=True)
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o755)
    (place / "link").symlink_to("/etc/passwd")
    (place / '%odd\n"na me\\').write_text("odd")
    (place / "nested").mkdir()
    git = ["/usr/bin/git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(place / "nested")]
    subprocess.run([*git, "init", "-q"], check=True)
    (place / "nested/file").write_text("inside")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)


def test_everything_is_captured_and_comes_back(space: Space) -> None:
    main = space.place / "main"
    fill(main)
    before = listed(main)
    taken = space.snapshot()
    assert (taken["changed"], taken["left_out"]) == (True, [])
    time.sleep(1.1)  # another second, in which a commit would have another name
    again = space.snapshot()
    assert (again["changed"], again["snapshot"]) == (False, taken["snapshot"])
    (main / "a.txt").write_text("changed")
    (main / "x.log").unlink()
    (main / "build/out").write_text("other")
    (main / "nested/.git/HEAD").write_text("broken")
    (main / "empty/inside").rmdir()
    (main / "new/deep").mkdir(parents=True)
    (main / "new/deep/file").write_text("new")
    (main / "link").unlink()
    (main / "link").mkdir()
    changed = listed(main)
    done = space.restore(taken["snapshot"])
    assert listed(main) == before
    status = subprocess.run(["/usr/bin/git", "-C", str(main / "nested"), "status", "--porcelain"],
                            check=True, capture_output=True)  # fmt: skip
    assert status.stdout == b""
    space.restore(done["before"])
    assert listed(main) == changed


def test_a_change_that_keeps_size_and_time_is_seen(space: Space) -> None:
    file = space.place / "main/f"
    file.write_text("one")
    stamp = file.stat()
    first = space.snapshot()
    file.write_text("two")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert space.snapshot()["tree"] != first["tree"]


def test_branches_have_files_of_their_own_and_merge_by_git(space: Space) -> None:
    main, side = space.place / "main", space.place / "side"
    (main / "same").write_text("1\n2\n3\n4\n5\n6\n7\n8\n9\n")
    (main / "both").write_text("base\n")
    space.ask("/branch", 201, branch="main", to="side")
    assert listed(side) == listed(main)
    (side / "same").write_text((side / "same").read_text().replace("9", "nine"))
    (main / "same").write_text((main / "same").read_text().replace("1", "one"))
    (side / "only").write_text("side's")
    merged = space.ask("/merge", source="side", target="main")
    assert (merged["state"], merged["conflicts"]) == ("merged", [])
    assert (main / "same").read_text() == "one\n2\n3\n4\n5\n6\n7\n8\nnine\n"
    assert (main / "only").read_text() == "side's"
    (side / "both").write_text("side\n")
    (main / "both").write_text("main\n")
    before = listed(main)
    merged = space.ask("/merge", source="side", target="main")
    assert (merged["state"], merged["conflicts"]) == ("conflicts", ["both"])
    assert "<<<<<<<" in (main / "both").read_text()
    space.restore(merged["before"])
    assert listed(main) == before
    changes = space.ask("/diff", old="main", new="side")["files"]
    assert {"path": "both", "change": "changed"} in changes


def test_a_snapshot_is_carried_to_another_session(space: Space) -> None:
    main = space.place / "main"
    fill(main)
    before = listed(main)
    taken = space.snapshot()
    other = Space(space.executor, f"{space.session[:50]}-other")
    done = [give(other, piece) for piece in pieces(space, taken["snapshot"])]
    assert done[-1]["taken"]["tree"] == taken["tree"]
    other.restore(taken["snapshot"])
    assert listed(other.place / "main") == before


def pieces(space: Space, snapshot: str) -> list[dict[str, Any]]:
    path = f"/v1/workspaces/{space.session}/main/snapshots/{snapshot}"
    found: list[dict[str, Any]] = []
    with space.executor.client as client:
        while not found or not found[-1]["last"]:
            offset = sum(len(base64.b64decode(piece["data"])) for piece in found)
            found.append(client.get(path, params={"offset": offset}).json())
    return found


def give(space: Space, piece: dict[str, Any], status: int = 200) -> Any:
    return space.ask("/snapshots", status, **{**piece, "session": space.session})


def test_files_of_any_size_are_carried_in_pieces(space: Space) -> None:
    (space.place / "main/large").write_bytes(os.urandom(8 << 20))
    (space.place / "main/small").write_text("small")
    before = listed(space.place / "main")
    taken = space.snapshot()
    parts = pieces(space, taken["snapshot"])
    assert len(parts) == 3
    other = Space(space.executor, f"{space.session[:50]}-other")
    assert give(other, parts[0])["taken"] is None
    # One that is missing is asked for; one that comes twice changes nothing.
    assert give(other, parts[2], 422)["error"]["code"] == "workspace.bad_bundle"
    give(other, parts[0])
    assert give(other, parts[1]) == give(other, parts[1])
    assert give(other, parts[2])["taken"]["tree"] == taken["tree"]
    other.restore(taken["snapshot"])
    assert listed(other.place / "main") == before
    # A spoiled piece spoils the whole, and nothing of it stays.
    spoiled = Space(space.executor, f"{space.session[:50]}-spoiled")
    data = base64.b64encode(os.urandom(1000)).decode()
    assert give(spoiled, {**parts[0], "data": data})["taken"] is None
    reply = give(spoiled, {**parts[2], "offset": 1000}, 422)
    assert reply["error"]["code"] == "workspace.bad_bundle"
    left = space.executor.root.rglob("arriving-*"), space.executor.root.rglob("leaving-*")
    assert [path for found in left for path in found] == []


def test_wrong_requests_have_codes(space: Space) -> None:
    unknown = "0" * 40
    reply = space.ask("/restore", 404, branch="main", snapshot=unknown)
    assert reply["error"]["code"] == "workspace.no_snapshot"
    reply = space.ask("/snapshot", 404, branch="none")
    assert reply["error"]["code"] == "tools.no_such_workspace"
    reply = space.ask("/branch", 409, branch="main", to="main")
    assert reply["error"]["code"] == "workspace.exists"
    piece = {"branch": "main", "snapshot": unknown, "offset": 0, "last": True}
    reply = space.ask("/snapshots", 422, **piece, data="AAAA")
    assert reply["error"]["code"] == "workspace.bad_bundle"


def test_what_is_no_base64_is_refused(space: Space) -> None:
    piece = {"branch": "main", "snapshot": "0" * 40, "offset": 0, "last": True}
    reply = space.ask("/snapshots", 422, **piece, data="\u00aa")
    assert reply["error"]["code"] == "workspace.bad_bundle"


def test_what_no_snapshot_can_hold_is_named(space: Space) -> None:
    os.mkfifo(space.place / "main/pipe")
    assert space.snapshot()["left_out"] == ["pipe"]
