"""Branches, merges and checkpoints of Claude Code's sessions, each continued by `claude` itself.

The client runs in a home of the test's own against a scripted model. What is asserted is what it
told its model after it had resumed what we made, and that no file that it wrote was altered.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import claude_agent_sdk
import pytest

from meso_cli import command
from meso_cli.adapters.claude_sessions import command as claude_sessions
from meso_cli.output import Output
from meso_host.testing.model import Model, calls, says, serve, turns
from meso_services.runtime.errors import MesoError

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "my_project"
    place.mkdir()
    for name in ("a", "b"):
        (place / f"{name}.txt").write_text(f"This is {name}.\n")
    return place


@pytest.fixture
def meso(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`meso adapter claude-code WORDS`, from its words to its JSON."""
    environment = {"CLAUDE_CONFIG_DIR": str(tmp_path / "config")}

    def run(*words: str) -> dict[str, Any]:
        line = ["adapter", "claude-code", *words, "--project", str(project)]
        request = command.parse(line).request
        assert isinstance(request, claude_sessions.Sessions)
        claude_sessions.run(request, Output(json=True), environment)
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


@pytest.fixture
def say(claude: Any, project: Path) -> Callable[..., tuple[str, Model]]:
    """One request in the real client; its session's id, and what the model was told."""

    def run(prompt: str, *words: str, script: Any = None) -> tuple[str, Model]:
        with serve(script or turns([says(f"Answer to {prompt}")])) as model:
            options = ("--output-format", "json", "--dangerously-skip-permissions", *words)
            done = claude(project, model.url, *options, prompt=prompt)
            assert done.returncode == 0, done.stdout + done.stderr
            return json.loads(done.stdout)["session_id"], model

    return run


def contents(tmp_path: Path) -> dict[str, bytes]:
    """Every transcript that the client wrote."""
    return {str(p): p.read_bytes() for p in (tmp_path / "config/projects").rglob("*.jsonl")}


def told(model: Model) -> str:
    """The conversation of the last request that offers tools."""
    asked = [request for request in model.requests if request.get("tools")]
    return json.dumps(asked[-1]["messages"])


def calls_are_paired(model: Model) -> None:
    """Every call in what the model was told has its result right after it."""
    asked = [request for request in model.requests if request.get("tools")][-1]
    waiting: set[str] = set()
    for message in asked["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        if message["role"] == "assistant":
            assert not waiting
            waiting = {b["id"] for b in blocks if b["type"] == "tool_use"}
        elif waiting:
            assert waiting == {b["tool_use_id"] for b in blocks if b["type"] == "tool_result"}
            waiting = set()
    assert not waiting


def test_branch_switch_merge_checkpoint_and_restore(
    say: Any, meso: Any, project: Path, tmp_path: Path
) -> None:
    parallel = turns(
        [says("Two files."), calls("Read", file_path=str(project / "a.txt")),
         calls("Bash", command="cat b.txt", description="look")],
        [says("Both were read.")],
    )  # fmt: skip
    main, _ = say("Look at the two files", script=parallel)
    say("Paint the fence red", "--resume", main)
    before = contents(tmp_path)

    shown = meso("show")
    assert [turn["text"] for turn in shown["turns"]] == [
        "Look at the two files",
        "Paint the fence red",
    ]
    assert meso("branch", "blue", "--turn", "1", "--dry-run")["session"] is None
    assert contents(tmp_path) == before
    assert not (tmp_path / "config/meso").exists(), "a dry run leaves nothing"

    # 1. A branch of the session that exists, from the middle of it.
    blue = meso("branch", "blue", "--turn", "1")
    went_on, model = say("Paint the fence blue", "--resume", blue["session"])
    assert went_on == blue["session"]
    assert "This is a." in told(model)
    assert "Both were read." in told(model)
    assert "fence red" not in told(model)
    calls_are_paired(model)

    # 2. Switching back and forth loses nothing; `--continue` follows.
    meso("switch", "main")
    went_on, model = say("And the gate?", "--continue")
    assert went_on == main
    assert "Paint the fence red" in told(model)
    assert "fence blue" not in told(model)
    meso("switch", "blue")
    went_on, model = say("The gate too", "--continue")
    assert went_on == blue["session"]
    assert "Answer to Paint the fence blue" in told(model)

    # 3. A checkpoint, then further work, then back.
    kept = meso("checkpoint", "before the roof", "--note", "if it breaks")
    say("Tear the roof off", "--resume", blue["session"])
    restored = meso("restore", kept["checkpoint"])
    went_on, model = say("Where are we?", "--resume", restored["session"])
    assert "The gate too" in told(model)
    assert "Tear the roof" not in told(model)
    calls_are_paired(model)

    # 4. What came of the branch, told to main: a new session, and the old one as it was.
    unmerged = contents(tmp_path)
    merged = meso("merge", "blue", "--into", "main")
    assert merged["before"] == main
    assert {name: text for name, text in contents(tmp_path).items() if name in unmerged} == unmerged
    went_on, model = say("What do we know?", "--resume", merged["session"])
    assert "Paint the fence red" in told(model)
    assert "Answer to Paint the fence blue" in told(model)
    assert told(model).count("Look at the two files") == 1, "what both have is not told twice"
    calls_are_paired(model)
    again = meso("merge", "blue", "--into", "main")
    assert (again["messages"], again["session"]) == (0, None)

    # Nothing that the client wrote before was altered, only continued by itself.
    now = contents(tmp_path)
    for name, text in before.items():
        assert now[name].startswith(text)
    listed = meso("list")
    assert {row["branch"] for row in listed["sessions"]} >= {"main", "blue", "blue-restored"}
    assert listed["checkpoints"][0]["label"] == "before the roof"


def test_the_sdk_lists_and_reads_what_we_made(
    say: Any, meso: Any, project: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "config"))
    main, _ = say("First")
    say("Second", "--resume", main)
    made = meso("branch", "try", "--turn", "1")["session"]
    known = {one.session_id: one for one in claude_agent_sdk.list_sessions(str(project))}
    assert known[made].custom_title == "try"
    read = claude_agent_sdk.get_session_messages(made, str(project))
    original = claude_agent_sdk.get_session_messages(main, str(project))
    assert [m.message for m in read] == [m.message for m in original[: len(read)]]
    assert "Second" not in json.dumps([m.message for m in read])


def test_a_deleted_session_comes_back_from_its_checkpoint(say: Any, meso: Any,
                                                          tmp_path: Path) -> None:  # fmt: skip
    main, _ = say("Remember the number 4711")
    kept = meso("checkpoint", "safe")["checkpoint"]
    for path in (tmp_path / "config/projects").rglob("*.jsonl"):
        path.unlink()
    back = meso("restore", kept, "--name", "again")
    _, model = say("Which number?", "--resume", back["session"])
    assert "4711" in told(model)
    # A checkpoint that was tampered with is refused, and nothing appears.
    files = sorted((tmp_path / "config/meso").rglob("*.gz"))
    files[0].write_bytes(files[0].read_bytes()[:-9] + b"000000000")
    before = contents(tmp_path)
    with pytest.raises(MesoError) as caught:
        meso("restore", kept, "--name", "thrice")
    assert caught.value.code == "claude.checkpoint_damaged"
    assert contents(tmp_path) == before
    assert main != back["session"]


def test_what_is_wrong_is_said_and_changes_nothing(say: Any, meso: Any, tmp_path: Path) -> None:
    with pytest.raises(MesoError, match="has no sessions") as caught:
        meso("list")
    assert caught.value.code == "claude.no_project"
    say("Hello")
    meso("branch", "try")
    before = contents(tmp_path)
    for words, code in (
        (("branch", "try"), "claude.branch_exists"),
        (("branch", "a/b"), "claude.bad_name"),
        (("branch", "x", "--turn", "9"), "claude.no_message"),
        (("branch", "x", "--at", "nobody"), "claude.no_message"),
        (("branch", "x", "--session", "nobody"), "claude.no_session"),
        (("branch", "x", "--session", "../../x"), "claude.no_session"),
        (("switch", "nobody"), "claude.no_branch"),
        (("merge", "try", "--into", "try"), "claude.same_branch"),
        (("restore", "nobody"), "claude.no_checkpoint"),
        (("drop", "nobody"), "claude.no_branch"),
    ):
        with pytest.raises(MesoError) as caught:
            meso(*words)
        assert caught.value.code == code
    assert contents(tmp_path) == before
    # A record that is being written just now is not copied.
    newest = max((tmp_path / "config/projects").rglob("*.jsonl"), key=lambda p: p.stat().st_mtime)
    with newest.open("ab") as file:
        file.write(b'{"type":"user","uu')
    os.utime(newest, ns=(time.time_ns() + 10**9,) * 2)
    made = meso("branch", "torn")["session"]
    assert b'"uu' not in (newest.parent / f"{made}.jsonl").read_bytes().splitlines()[-2]
    assert (newest.parent / f"{made}.jsonl").stat().st_mode & 0o777 == 0o600
