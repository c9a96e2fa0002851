"""A path that a rule denies is out of a command's reach, however it gets there."""

from __future__ import annotations

import json
from typing import Any

import pytest

RULES = [
    {"name": "keys", "decision": "deny", "paths": ["secrets/**", "*.pem"]},
    {"name": "notes", "decision": "ask", "paths": ["private.txt"]},
]


@pytest.fixture(scope="module")
def guarded(shared_service: Any) -> Any:
    executor = shared_service("tool-executor", {}, start=False)
    place = executor.root / "nix/store/test-1/policy"
    place.mkdir(parents=True)
    (place / "tools.json").write_text(json.dumps({"ask_seconds": 1, "rules": RULES}))
    return executor.start()


@pytest.fixture
def files(guarded: Any, make_bench: Any) -> Any:
    desk = make_bench(guarded)
    (desk.place / "secrets").mkdir()
    for name in ("secrets/key", "site.pem", "private.txt"):
        (desk.place / name).write_text("hidden words\n")
    (desk.place / "public.txt").write_text("open words\n")
    (desk.place / "link").symlink_to("secrets/key")
    return desk


@pytest.mark.parametrize(
    "command",
    [
        "cat s*/key",
        "cat {secrets,x}/key",
        "cd secr*; cat k*",
        "cat link",
        "cat */key *.p?m",
        "cat p*.txt",
        "grep -rh words . | grep -v open",
        'python3 -c \'print(open("sec" + "rets/key").read())\'',
        "chmod -R 700 s*; cat s*/*",
        "cp -r . /tmp/copy; cat /tmp/copy/*/key",
        "mv s* elsewhere; cat elsewhere/key",
    ],
)
def test_no_way_of_naming_it_reads_it(files: Any, command: str) -> None:
    result = files.bash(command)["result"]
    assert "hidden" not in result["stdout"]
    assert result["stderr"]
    assert (files.place / "secrets/key").read_text() == "hidden words\n"


def test_it_cannot_be_written_or_removed_and_other_files_can(files: Any) -> None:
    files.bash("echo new > s*/key; echo new > {secrets,x}/other; unlink s*/key; echo new > *.pem")
    assert (files.place / "secrets/key").read_text() == "hidden words\n"
    assert sorted(p.name for p in (files.place / "secrets").iterdir()) == ["key"]
    assert (files.place / "site.pem").read_text() == "hidden words\n"
    result = files.bash("cat public.txt; echo more >> public.txt; cat pub*")["result"]
    assert result["stdout"] == "open words\nopen words\nmore\n"


def test_naming_it_is_refused_or_asked_about_as_before(files: Any) -> None:
    assert files.bash("cat secrets/key")["error"]["code"] == "policy.denied"
    assert files.bash("cat private.txt")["error"]["code"] == "policy.not_approved"


def test_what_an_operator_approved_is_there(files: Any) -> None:
    body = files.body("bash", {"command": "cat private.txt"}, background=True)
    call = files.post("/v1/tools/call", body).json()["id"]
    while not (waiting := files.get("/v1/approvals")["approvals"]):
        assert files.get(f"/v1/calls/{call}")["state"] == "waiting"
    files.post(f"/v1/approvals/{waiting[0]['id']}", {"decision": "allow", "scope": "once"})
    with files.executor.client as client:
        client.get(f"/v1/calls/{call}/events")
    assert files.get(f"/v1/calls/{call}")["result"]["stdout"] == "hidden words\n"
