"""The policy in the service: what it refuses, what it asks about, and that no agent changes it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
# A bound against hanging, not a measure.
PATIENCE = 90


@pytest.fixture
def strict(service: Any, make_bench: Any) -> Any:
    """A service whose policy asks about `make`, and denies what is below secrets/."""
    return make_bench(asking(service, seconds=600).start())


@pytest.fixture
def impatient(service: Any, make_bench: Any) -> Any:
    """The same, with little time for an answer."""
    return make_bench(asking(service, seconds=2).start())


def asking(service: Any, *, seconds: int) -> Any:
    """A service that is not started yet, with that policy."""
    executor = service("tool-executor", {}, start=False)
    place = executor.root / "nix/store/test-1/policy"
    place.mkdir(parents=True)
    rules = [
        {"name": "ask-make", "decision": "ask", "commands": ["make *"], "reason": "it builds"},
        {"name": "secrets", "decision": "deny", "paths": ["secrets/**"]},
    ]
    (place / "tools.json").write_text(json.dumps({"ask_seconds": seconds, "rules": rules}))
    return executor


def in_background(desk: Any, command: str) -> tuple[str, str]:
    """A call that waits: its id and its question's."""
    body = desk.body("bash", {"command": command}, background=True)
    call = desk.post("/v1/tools/call", body).json()["id"]
    deadline = time.monotonic() + PATIENCE
    while not (waiting := desk.get("/v1/approvals")["approvals"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return call, waiting[0]["id"]


def ended(desk: Any, call: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (reply := desk.get(f"/v1/calls/{call}"))["ended_at"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return reply


def test_a_call_waits_for_the_operator_and_runs_when_allowed(strict: Any) -> None:
    call, question = in_background(strict, "make x; echo made > made")
    assert not (strict.place / "made").exists()
    answer = {"decision": "allow"}
    assert strict.post(f"/v1/approvals/{question}", answer).status_code == 200
    assert ended(strict, call)["state"] == "completed"
    assert (strict.place / "made").exists()
    kinds = [record["kind"] for record in strict.records(call)]
    assert kinds == ["call", "approval", "result"]
    again = strict.post(f"/v1/approvals/{question}", answer).json()
    assert again["error"]["code"] == "approval.not_found"


def test_no_answer_is_no(impatient: Any) -> None:
    began = time.monotonic()
    reply = impatient.bash("make x")
    assert 1 < time.monotonic() - began < PATIENCE
    assert (reply["state"], reply["error"]["code"]) == ("refused", "policy.not_approved")


def test_an_answer_for_the_session_holds_for_the_same_call_only(strict: Any) -> None:
    call, question = in_background(strict, "make x")
    strict.post(f"/v1/approvals/{question}", {"decision": "allow", "scope": "session"})
    ended(strict, call)
    assert strict.bash("make x")["state"] == "completed"
    other, _ = in_background(strict, "make y")
    assert strict.get(f"/v1/calls/{other}")["state"] == "waiting"


def test_denied_paths_are_denied_by_whatever_name(strict: Any) -> None:
    (strict.place / "secrets").mkdir()
    (strict.place / "secrets/key").write_text("s3cret")
    (strict.place / "l").symlink_to("secrets")
    (strict.place / "k").symlink_to("secrets/key")
    for path in ("secrets/key", "./secrets/../secrets/key", "/workspace/secrets/key", "l/key", "k"):
        for tool, more in (
            ("read", {}),
            ("write", {"content": "x"}),
            ("edit", {"old": "s", "new": "t"}),
        ):
            reply = strict.call(tool, {"path": path, **more})
            assert (reply["state"], reply["error"]["code"]) == ("refused", "policy.denied"), path
    assert (strict.place / "secrets/key").read_text() == "s3cret"


def test_a_race_between_the_policy_and_the_use_is_lost(strict: Any) -> None:
    """A link is swapped while it is read: the denied file never comes out."""
    (strict.place / "secrets").mkdir()
    (strict.place / "secrets/key").write_text("s3cret")
    (strict.place / "open").write_text("fine")
    stop = threading.Event()

    def swap() -> None:
        link, spare = strict.place / "l", strict.place / "l.new"
        while not stop.is_set():
            for target in ("open", "secrets/key"):
                spare.symlink_to(target)
                spare.replace(link)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        outcomes = [strict.call("read", {"path": "l"}) for _ in range(80)]
    finally:
        stop.set()
        thread.join()
    assert not [reply for reply in outcomes if "s3cret" in json.dumps(reply)]
    assert [reply for reply in outcomes if reply["state"] == "completed"]


def test_explaining_runs_and_records_nothing(strict: Any) -> None:
    before = strict.get("/v1/audit/verify")["head"]
    body = strict.body("bash", {"command": "rm -rf x"})
    said = strict.post("/v1/policy/explain", body).json()
    assert said["decision"]["reason"].startswith("Denied (destructive)")
    assert said["commands"] == [["rm", "-rf", "x"]]
    assert strict.get("/v1/audit/verify")["head"] == before


def test_nothing_that_an_agent_writes_changes_the_policy(strict: Any) -> None:
    before = strict.get("/v1/policy")
    for path in ("policy/tools.json", ".meso/policy/tools.json", "meso.toml", "config.toml"):
        strict.call(
            "write", {"path": path, "content": '{"default": "allow", "without": ["destructive"]}'}
        )
    strict.bash(
        "mkdir -p /tmp/run/meso/current/policy; echo '{}' > /tmp/run/meso/current/policy/tools.json"
    )
    strict.executor.reload()
    after = strict.get("/v1/policy")
    assert after == before
    assert strict.bash("rm -rf policy")["error"]["message"].startswith("Denied (destructive)")


REVIEW = """
import pathlib, sys
from meso_cli.output import Output
from meso_cli.verbs import approve
approve.service = lambda name: Connection(name, pathlib.Path(sys.argv[1]))
from meso_services.contract.client import Connection
sys.exit(approve.run(approve.Review(), Output(json=False)))
"""


def reviewed(desk: Any, typed: bytes) -> str:
    """What `meso approve review` shows on a terminal on which this is typed."""
    ours, theirs = pty.openpty()
    os.write(ours, typed)
    try:
        done = subprocess.run(
            [sys.executable, "-c", REVIEW, str(desk.executor.socket.parent)],
            cwd=REPOSITORY,
            stdin=theirs,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize(
    ("typed", "state"),
    [
        (b"y\n", "completed"),
        (b"n\n", "refused"),
        (b"\n", "refused"),
        (b"s\n", "waiting"),
        (b"\x04", "waiting"),
    ],
)
def test_questions_are_answered_one_by_one_on_a_terminal(
    service: Any, make_bench: Any, typed: bytes, state: str
) -> None:
    desk = make_bench(asking(service, seconds=600).start())
    call, question = in_background(desk, "make x; echo '\x1b[2J'")
    assert desk.get("/v1/policy")["waiting"] == 1
    shown = reviewed(desk, typed)
    assert question in shown and "it builds" in shown
    assert "\x1b[2J" not in shown
    if state == "waiting":
        assert desk.get(f"/v1/calls/{call}")["state"] == "waiting"
    else:
        assert ended(desk, call)["state"] == state
        assert desk.get("/v1/policy")["waiting"] == 0


WATCH = """
import pathlib, sys
from meso_cli.verbs import status
status.EVERY_SECONDS = 0.2
sys.exit(status._watch(lambda: "the status", pathlib.Path(sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("typed", "state"),
    [("allow {id}\n", "completed"), ("deny {id}\n", "refused"), ("allow {id}x\x7f\r", "completed")],
)
def test_a_question_is_answered_below_the_status_that_stays_on_the_screen(
    strict: Any, typed: str, state: str
) -> None:
    call, question = in_background(strict, "make x; echo '\x1b[2J'")
    with watching(strict) as (keys, shown):
        shown(question)
        os.write(keys, b"y\n" + b"allow\n" + b"allow ffffff\n")  # none of these is an answer
        shown("ffffff is not shown here")
        assert strict.get(f"/v1/calls/{call}")["state"] == "waiting"
        os.write(keys, typed.format(id=question).encode())
        assert ended(strict, call)["state"] == state
        assert "\x1b[2J" not in shown(
            f"{question}: {'allow' if state == 'completed' else 'deni'}ed"
        )


def test_what_the_screen_does_not_show_to_its_end_is_not_allowed_there(strict: Any) -> None:
    call, question = in_background(strict, "make " + "x" * 500 + "; true")
    with watching(strict) as (keys, shown):
        shown("more characters]")
        os.write(keys, f"allow {question}\n".encode())
        shown("is not shown here as a whole")
        assert strict.get(f"/v1/calls/{call}")["state"] == "waiting"
        os.write(keys, f"deny {question}\n".encode())
        assert ended(strict, call)["state"] == "refused"


@contextlib.contextmanager
def watching(desk: Any) -> Iterator[tuple[int, Callable[[str], str]]]:
    """A keyboard, and a function that waits until the screen has shown a text."""
    ours, theirs = pty.openpty()
    script = [sys.executable, "-c", WATCH, str(desk.executor.socket)]
    child = subprocess.Popen(script, cwd=REPOSITORY, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = ""

    def shown(text: str) -> str:
        nonlocal seen
        deadline = time.monotonic() + PATIENCE
        while text not in seen:
            assert select.select([ours], [], [], max(0, deadline - time.monotonic()))[0], seen
            seen += os.read(ours, 65536).decode(errors="replace")
        return seen

    try:
        yield ours, shown
    finally:
        child.kill()
        child.wait()
        os.close(ours)
