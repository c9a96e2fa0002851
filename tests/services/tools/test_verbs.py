"""`meso tool`, `policy`, `approve` and `audit` against a real service: output and exit status."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import pytest

from meso_cli import command
from meso_cli.__main__ import main
from meso_services.contract.client import Connection

POLICY = {
    "ask_seconds": 600,
    "security": {"model": "judge"},
    "rules": [{"name": "builds", "decision": "ask", "commands": ["make *"], "reason": "it builds"}],
}


@pytest.fixture(scope="module")
def executor(shared_service: Any) -> Any:
    """A service with a policy; its security instance is not there."""
    made = shared_service("tool-executor", {}, start=False)
    place = made.root / "nix/store/test-1/policy"
    place.mkdir(parents=True)
    (place / "tools.json").write_text(json.dumps(POLICY))
    return made.start()


@pytest.fixture
def meso(executor: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`meso("policy", "show")` as on an appliance → (exit status, what --json printed)."""
    monkeypatch.setattr(command, "FACTORY", executor.root)
    monkeypatch.setattr(Connection.__init__, "__defaults__", (executor.socket.parent,))

    def run(*words: object, text: bool = False) -> tuple[int, Any]:
        status = main([*map(str, words), *(() if text else ("--json",))])
        said = capsys.readouterr().out
        # Of a call, one event a line; the last says how it ended.
        whole = said.splitlines()[-1] if '"event"' in said else said
        return status, said if text else json.loads(whole)

    return run


@pytest.fixture
def session(meso: Any) -> str:
    name = f"s-{secrets.token_hex(4)}"
    assert meso("tool", "workspace", name)[0] == 0
    return name


def test_tools_are_called_by_hand(meso: Any, session: str) -> None:
    wrote = {"path": "a", "content": "one\ntwo\n"}
    assert meso("tool", "call", session, "write", json.dumps(wrote))[0] == 0
    status, said = meso("tool", "read", session, "a", "--offset", 2)
    assert (status, said["lines"], said["first_line"]) == (0, ["two"], 2)
    status, shown = meso("tool", "bash", session, "cat a; exit 3", text=True)
    assert (status, shown) == (3, "one\ntwo\n")
    status, said = meso("tool", "bash", session, "rm -rf a")
    assert status == 1
    assert said["call"]["error"]["message"].startswith("Denied (destructive)")
    names = {tool["name"] for tool in meso("tool", "list")[1]["tools"]}
    assert {"read", "write", "edit", "bash"} <= names


def test_a_background_call_is_followed_listed_and_cancelled(meso: Any, session: str) -> None:
    status, begun = meso("tool", "bash", session, "echo here; sleep 600", "--background")
    assert status == 0
    listed = meso("tool", "calls", session)[1]["calls"]
    assert [(one["id"], one["background"]) for one in listed] == [(begun["id"], True)]
    status, ended = meso("tool", "cancel", begun["id"])
    assert (status, ended["state"]) == (0, "cancelled")
    _, shown = meso("tool", "follow", begun["id"], text=True)
    assert "600" not in shown


@pytest.mark.parametrize(
    ("line", "status", "rule"),
    [("ls", 0, "workspace-tools"), ("make all", 3, "builds"), ("rm -rf x", 1, "destructive")],
)
def test_the_policy_is_asked_without_a_call(
    meso: Any, tmp_path: Path, line: str, status: int, rule: str
) -> None:
    file = tmp_path / "call.json"
    file.write_text(json.dumps({"session": "s", "tool": "bash", "params": {"command": line}}))
    for words in ((file,), ("--bash", line)):
        found, said = meso("policy", "explain", *words)
        assert (found, said["decision"]["rule"]) == (status, rule)


def test_what_is_no_call_is_said_to_be_none(meso: Any, tmp_path: Path) -> None:
    file = tmp_path / "call.json"
    for text in ("", "[]", '{"tool": "bash"}', "\xff"):
        file.write_text(text, encoding="latin-1")
        status, said = meso("policy", "explain", file)
        assert (status, said["error"]["code"][:4]) == (1, "cli.")


def test_the_rules_in_force_are_shown(meso: Any) -> None:
    _, shown = meso("policy", "show", text=True)
    assert "builds" in shown and "destructive" in shown
    assert "security instance: judge, may refuse" in shown


def test_a_question_is_listed_and_answered(meso: Any, session: str) -> None:
    call = meso("tool", "bash", session, "make x", "--background")[1]["id"]
    while not (waiting := meso("approve")[1]["approvals"]):
        pass
    assert [one["call_id"] for one in waiting] == [call]
    name = waiting[0]["id"]
    assert meso("approve", "deny", name, "--reason", "not now")[1]["decision"] == "deny"
    status, said = meso("approve", "allow", name)
    assert (status, said["error"]["code"]) == (1, "approval.not_found")
    while (reply := meso("tool", "calls", session)[1]["calls"][0])["state"] == "waiting":
        pass
    assert (reply["state"], reply["error"]["message"]) == ("refused", "not now")
    records = meso("audit", "show", "--call", call)[1]["records"]
    assert [one["kind"] for one in records] == ["call", "approval", "result"]
    assert records[1]["data"]["answered_by"] == "an operator"
    assert meso("approve", "allow")[0] == 2


def test_a_review_needs_a_terminal(meso: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:  # noqa: PTH123
        monkeypatch.setattr("sys.stdin", nothing)
        status, said = meso("approve", "review")
    assert (status, said["error"]["code"]) == (1, "approve.no_terminal")


def test_the_audit_is_verified_and_an_alteration_is_found(
    service: Any, monkeypatch: pytest.MonkeyPatch, meso: Any
) -> None:
    damaged = service("tool-executor")
    monkeypatch.setattr(Connection.__init__, "__defaults__", (damaged.socket.parent,))
    meso("tool", "workspace", "s")
    meso("tool", "bash", "s", "echo innocent")
    status, verdict = meso("audit", "verify")
    assert (status, verdict["ok"]) == (0, True)
    anchor = f"{verdict['head']}:{verdict['head_hash']}"
    assert meso("audit", "verify", "--anchor", anchor)[0] == 0
    (file,) = (damaged.root / "var/lib/meso/tool-executor/audit").glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b"echo innocent", b"echo innocuous"))
    status, verdict = meso("audit", "verify")
    assert (status, verdict["ok"], verdict["file"]) == (1, False, file.name)
    assert verdict["bad_from"] >= 2
