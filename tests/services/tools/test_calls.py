"""Calls: commands with output as it comes, limits, cancelling, background, doing it once."""

from __future__ import annotations

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from meso_services.runtime.errors import MesoError
from meso_services.tool_executor.resident import Helpers
from meso_services.tool_executor.sandbox import Limits, Sandbox

# Others on this computer may sleep, too.
LONG = f"300.{os.getpid()}"


def test_a_command_gives_its_status_and_both_outputs(desk: Any) -> None:
    reply = desk.bash("echo out; echo err >&2; pwd; exit 7")
    assert reply["state"] == "completed"
    result = reply["result"]
    assert (result["exit_code"], result["stderr"]) == (7, "err\n")
    assert result["stdout"] == "out\n/workspace\n"


def test_standard_input_and_the_environment_are_the_calls_own(desk: Any) -> None:
    reply = desk.call(
        "bash", {"command": "cat; env -0 | tr '\\0' '\\n' | cut -d= -f1 | sort", "stdin": "given\n"}
    )
    lines = reply["result"]["stdout"].split()
    assert lines[0] == "given"
    known = {"_", "GIT_TERMINAL_PROMPT", "HOME", "LANG", "LOGNAME", "OLDPWD", "PATH", "PWD"}
    known |= {"PYTHONDONTWRITEBYTECODE", "SHELL", "SHLVL", "TERM", "TMPDIR", "USER"}
    assert set(lines[1:]) <= known


def test_output_comes_while_the_command_runs(desk: Any) -> None:
    body = desk.body("bash", {"command": "echo first; sleep 1.5; echo second"})
    seen: list[tuple[float, dict[str, Any]]] = []
    with (
        desk.executor.client as client,
        client.stream(
            "POST", "/v1/tools/call", json=body, headers={"accept": "application/x-ndjson"}
        ) as answer,
    ):
        assert answer.headers["content-type"] == "application/x-ndjson"
        for line in answer.iter_lines():
            seen.append((time.monotonic(), json.loads(line)))
    events = [event["event"] for _, event in seen]
    assert (events[0], events[-1]) == ("started", "result")
    outputs = [(when, e["text"]) for when, e in seen if e["event"] == "output"]
    assert [text for _, text in outputs] == ["first\n", "second\n"]
    assert outputs[1][0] - outputs[0][0] > 1


def test_the_middle_of_a_long_output_is_left_out_and_counted(desk: Any) -> None:
    result = desk.bash("seq 1 200000")["result"]
    assert result["truncated"]
    assert result["stdout"].startswith("1\n2\n")
    assert result["stdout"].endswith("199999\n200000\n")
    assert result["omitted_bytes"] > 500_000


def test_bytes_that_are_no_text_are_shown_as_such(desk: Any) -> None:
    assert desk.bash("printf 'a\\xffb\\u00e9'")["result"]["stdout"] == "a\\xffbé"


def test_time_is_limited_and_what_was_said_is_kept(desk: Any) -> None:
    began = time.monotonic()
    reply = desk.bash("echo before; sleep 60", seconds=1)
    assert time.monotonic() - began < 6
    assert (reply["state"], reply["error"]["code"]) == ("failed", "tools.timeout")
    assert reply["error"]["detail"]["stdout"] == "before\n"


def test_a_cancelled_call_takes_no_output_of_later_ones(desk: Any) -> None:
    """A pipe that was closed while the loop watched it once hid those opened after it."""
    for _ in range(20):
        body = desk.body("bash", {"command": "sleep 60", "stdin": "unread" * 50_000})
        call = desk.post("/v1/tools/call", {**body, "background": True}).json()["id"]
        assert desk.post(f"/v1/calls/{call}/cancel", {}).json()["state"] == "cancelled"
    said = [desk.bash(f"echo {n}; echo {n} >&2")["result"] for n in range(8)]
    assert [one["stdout"] for one in said] == [f"{n}\n" for n in range(8)]
    assert [one["stderr"] for one in said] == [f"{n}\n" for n in range(8)]


def test_cancelling_ends_everything_that_the_call_started(desk: Any) -> None:
    command = f"(setsid sleep {LONG} &); touch there; sleep {LONG}"
    body = desk.body("bash", {"command": command}, background=True)
    answer = desk.post("/v1/tools/call", body)
    assert answer.status_code == 202
    call = answer.json()["id"]
    _until((desk.place / "there").exists)
    reply = desk.post(f"/v1/calls/{call}/cancel", {}).json()
    assert (reply["state"], reply["error"]["code"]) == ("cancelled", "tools.cancelled")
    assert [r["kind"] for r in desk.records(call)] == ["call", "result"]
    assert _left() == []


def test_a_client_that_goes_away_takes_its_call_along(desk: Any) -> None:
    body = desk.body("bash", {"command": f"touch begun; sleep {LONG}"})
    with desk.executor.client as client:
        client.timeout = 2.0
        with pytest.raises(Exception, match="timed out"):
            client.post("/v1/tools/call", json=body)
    calls = f"/v1/calls?session={desk.session}"
    _until(lambda: desk.get(calls)["calls"][0]["state"] == "cancelled")
    assert _left() == []


def test_a_background_call_is_followed_from_its_beginning(desk: Any) -> None:
    body = desk.body("bash", {"command": "echo a; sleep 1; echo b"}, background=True)
    call = desk.post("/v1/tools/call", body).json()["id"]
    with desk.executor.client as client:
        lines = client.get(f"/v1/calls/{call}/events").text.splitlines()
    events = [json.loads(line) for line in lines]
    assert "".join(e["text"] for e in events if e["event"] == "output") == "a\nb\n"
    assert events[-1]["call"]["result"]["stdout"] == "a\nb\n"
    assert desk.get(f"/v1/calls/{call}")["state"] == "completed"


def test_the_same_key_makes_a_call_once(desk: Any) -> None:
    body = desk.body("bash", {"command": "echo x >> count; wc -l < count"})
    headers = {"idempotency-key": "k1"}
    replies = [desk.post("/v1/tools/call", body, headers=headers).json() for _ in range(3)]
    assert {reply["id"] for reply in replies} == {replies[0]["id"]}
    assert (desk.place / "count").read_text() == "x\n"
    other = desk.body("bash", {"command": "true"})
    refused = desk.post("/v1/tools/call", other, headers=headers)
    assert refused.json()["error"]["code"] == "idempotency.conflict"


def test_fifty_calls_at_once_all_succeed(desk: Any) -> None:
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda n: desk.bash(f"echo {n}"), range(50)))
    assert [r["result"]["stdout"] for r in replies] == [f"{n}\n" for n in range(50)]


@pytest.mark.parametrize(
    ("tool", "params", "code"),
    [
        ("fly", {}, "tools.no_such_tool"),
        ("bash", {}, "tools.invalid_params"),
        ("bash", {"command": "true", "policy": "allow"}, "tools.invalid_params"),
        ("write", {"path": "a", "content": "%%%", "encoding": "base64"}, "tools.bad_base64"),
        ("custom_tool", {"name": "nothing"}, "tools.no_such_tool"),
        ("read", {"path": "/proc/self/environ"}, "tools.path_escape"),
    ],
)
def test_what_cannot_be_called_is_a_failed_call_with_a_code(
    desk: Any, tool: str, params: dict[str, Any], code: str
) -> None:
    reply = desk.call(tool, params)
    assert (reply["state"], reply["error"]["code"]) == ("failed", code)
    assert [r["kind"] for r in desk.records(reply["id"])][-1] == "result"


def _until(true: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _left() -> list[str]:
    """Sleeping programs of these tests that are still there."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = one.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", LONG.encode()]:
            found.append(str(one))
    return found


@pytest.mark.parametrize(
    "command",
    [
        "echo a\0b",
        "echo \ud800",
        "echo \udc80",
        "true " + "x" * (128 << 10),
        "# \U0001f600" * 40_000,
    ],
)
def test_a_command_that_no_program_can_be_given_is_said_to_be_one(desk: Any, command: str) -> None:
    """As JSON any of these may come; none of them may look like a mistake of the service."""
    body = json.dumps(desk.body("bash", {"command": command})).encode()
    with desk.executor.client as client:
        reply = client.post(
            "/v1/tools/call", content=body, headers={"content-type": "application/json"}
        ).json()
    assert reply["error"]["code"] in ("tools.invalid_params", "request.invalid"), reply


def test_a_long_word_keeps_nobody_waiting(desk: Any) -> None:
    """A hundred kilobytes of letters: judged, redacted for the audit, and run."""
    reply = desk.bash("printf %s " + "x" * 100_000 + " | wc -c")
    assert reply["result"]["stdout"] == "100000\n"
    assert len(json.dumps(desk.records(reply["id"]))) < 20_000


def test_an_edit_waits_for_its_decision_and_one_that_is_given_up_leaves_no_trace(
    tmp_path: Path,
) -> None:
    """In the real sandbox: prepared meanwhile, seen afterwards, not at all when it is refused."""
    asyncio.run(gated(tmp_path))


async def gated(place: Path) -> None:
    limits = Limits(seconds=60, memory=256 << 20, tasks=64, text=64 << 10)
    helpers = Helpers(Sandbox(limits, None, asyncio.Semaphore(4)))
    request = {"tool": "edit", "path": "f", "old": "old", "new": "new", "replace_all": False}
    file = place / "f"
    file.write_text("old")

    def names() -> list[str]:
        return [each.name for each in place.iterdir()]

    async def full() -> None:
        while len(names()) < 2:  # what is prepared stands beside it already
            await asyncio.sleep(0.01)
        assert file.read_text() == "old"
        raise MesoError("storage.full", "no space left", status=507)

    async def never() -> None:
        while len(names()) < 2:
            await asyncio.sleep(0.01)
        prepared.set()
        await asyncio.sleep(600)

    async def soon() -> None:
        await asyncio.sleep(0.01)

    async def agreed() -> None:
        assert file.read_text() == "old"

    try:
        with pytest.raises(MesoError, match="no space left"):
            await helpers.ask(place, request, full)
        assert names() == ["f"]
        prepared = asyncio.Event()
        task = asyncio.create_task(helpers.ask(place, request, never))
        await prepared.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (names(), file.read_text()) == (["f"], "old")
        await helpers.ask(place, request, agreed)
        assert file.read_text() == "new"
        file.write_text("other")
        with pytest.raises(MesoError) as caught:
            await helpers.ask(place, request, soon)
        assert caught.value.code == "tools.no_match"
    finally:
        await helpers.close()
