"""Real Pi and the real Claude Code read what we write, and we read what they write.

Their files are made here, in homes of the test's own against a scripted model, and thrown away.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import claude_agent_sdk
import pytest

from meso_cli import command
from meso_cli.output import Output
from meso_cli.verbs.session import carrying
from meso_cli.verbs.session.transcripts import Export, Import
from meso_host.testing.model import calls, says, serve, turns
from meso_services.contract.branches import MakeBranch, Moved, Switch
from meso_services.contract.client import Connection, SessionManager, message
from meso_services.contract.context import Context
from meso_services.contract.session import NewEntry

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def connection(appliance: Any) -> Any:
    """The session manager of the shared appliance."""
    with Connection("session-manager", appliance["session-manager"].socket.parent) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "config"))
    place = tmp_path / "project"
    place.mkdir()
    for name in ("a", "b"):
        (place / f"{name}.txt").write_text(f"This is {name}.\n")
    return place


@pytest.fixture
def meso(connection: Connection, capsys: pytest.CaptureFixture[str]) -> Any:
    """`meso session WORDS`, from its words to its JSON."""

    def run(*words: str) -> Any:
        request = command.parse(["session", *words]).request
        if isinstance(request, Import):
            carrying.bring(connection, request, Output(json=True))
        else:
            assert isinstance(request, Export)
            carrying.export(connection, request, Output(json=True))
        return json.loads(capsys.readouterr().out)

    return run


def told(model: Any) -> str:
    """The conversation of the last request that offers tools."""
    asked = [request for request in model.requests if request.get("tools")]
    return json.dumps(asked[-1]["messages"])


def is_paired(model: Any) -> None:
    """Each call in the last request has its result in the message behind it, and once."""
    asked = [request for request in model.requests if request.get("tools")][-1]["messages"]
    results = [b["tool_use_id"] for m in asked for b in blocks(m) if b["type"] == "tool_result"]
    uses = [b["id"] for m in asked for b in blocks(m) if b["type"] == "tool_use"]
    assert sorted(results) == sorted(uses)
    assert len(set(uses)) == len(uses)


def blocks(one: Any) -> list[Any]:
    return [b for b in one["content"] if isinstance(b, dict)] if isinstance(
        one["content"], list
    ) else []  # fmt: skip


TWO = (
    [says("Two files."), calls("read", path="a.txt"), calls("bash", command="cat b.txt")],
    [says("Both were read.")],
)


def test_pi_opens_ours_and_we_open_pis(
    pi: Any, meso: Any, project: Path, tmp_path: Path, connection: Connection
) -> None:
    sessions = tmp_path / "pi-sessions"
    with serve(turns(*TWO)) as model:
        done = pi(project, model.url, "--session-dir", str(sessions))
        assert done.returncode == 0, done.stdout + done.stderr
    (written,) = sessions.rglob("*.jsonl")
    made = meso("import", str(written))
    assert (made["format"], made["notes"]) == ("pi", [])
    ident = made["session"]["id"]
    # Byte for byte what Pi wrote.
    back = tmp_path / "back.jsonl"
    meso("export", ident, "-o", str(back))
    assert back.read_bytes() == written.read_bytes()

    # A branch and a message of ours, in the words that our own agents use; Pi goes on there.
    manager = SessionManager(connection)
    at = f"/v1/sessions/{ident}"
    connection.post(f"{at}/branches", MakeBranch(name="try", switch=True), Moved)
    manager.append(ident, message("user", "Also remember the number 4711"))
    call = {"type": "tool_use", "id": "toolu_x1", "name": "bash", "input": {"command": "ls"}}
    more = {**call, "id": "toolu_x2"}
    manager.append(ident, answer([{"type": "text", "text": "I look."}, call, more]))
    manager.append(ident, result("toolu_x1", "toolu_x2"))
    manager.append(ident, answer([{"type": "text", "text": "It is noted."}]))
    manager.append(ident, NewEntry(type="custom", branch="main", data={"customType": "aside"}))
    theirs = tmp_path / "theirs.jsonl"
    meso("export", ident, "-o", str(theirs), "--cwd", str(project))
    before = theirs.read_bytes()
    with serve(turns([says("4711, of course.")])) as model:
        (tmp_path / "agent/models.json").unlink()
        (tmp_path / "agent").rmdir() if not any((tmp_path / "agent").iterdir()) else None
        done = pi_again(pi, tmp_path, project, model, theirs)
        assert done.returncode == 0, done.stdout + done.stderr
        for words in ("Both were read.", "number 4711", "I look.", "It is noted."):
            assert words in told(model)
        is_paired(model)
    after = theirs.read_bytes()
    assert after.startswith(before), "Pi only appended"
    # What Pi added comes back with everything else.
    again = meso("import", str(theirs), "--as-new")
    entries = list(manager.entries(again["session"]["id"]))
    assert any("4711, of course." in json.dumps(entry.data) for entry in entries)
    original = list(manager.entries(ident))
    assert [e.model_dump() for e in entries[: len(original)]] == [e.model_dump() for e in original]


def pi_again(pi: Any, tmp_path: Path, project: Path, model: Any, file: Path) -> Any:
    """The fixture makes Pi's home; for a second run it must not be there."""
    home = tmp_path / "agent"
    if home.exists():
        home.rename(tmp_path / "agent-before")
    return pi(project, model.url, "--session", str(file))


def answer(content: list[Any]) -> NewEntry:
    said = {"role": "assistant", "content": content, "model": "scripted",
            "usage": {"input_tokens": 3, "output_tokens": 4}}  # fmt: skip
    return NewEntry(type="message", data={"message": said})


def result(*idents: str) -> NewEntry:
    content = [{"type": "tool_result", "tool_use_id": one, "content": "c.txt"} for one in idents]
    return NewEntry(type="message", data={"message": {"role": "user", "content": content}})


def test_claude_code_goes_on_with_ours_and_we_with_its(
    claude: Any, meso: Any, project: Path, tmp_path: Path, connection: Connection
) -> None:
    script = turns(
        [says("Two files."), calls("Read", file_path=str(project / "a.txt")),
         calls("Bash", command="cat b.txt", description="look")],
        [says("Both were read.")],
    )  # fmt: skip
    options = ("--output-format", "json", "--dangerously-skip-permissions")
    with serve(script) as model:
        done = claude(project, model.url, *options, prompt="Look at the files")
        assert done.returncode == 0, done.stdout + done.stderr
    its = json.loads(done.stdout)["session_id"]
    (written,) = (tmp_path / "config/projects").rglob(f"{its}.jsonl")
    made = meso("import", str(written))
    ident = made["session"]["id"]
    assert (made["format"], ident, made["notes"]) == ("claude-code", its, [])
    back = tmp_path / "back.jsonl"
    meso("export", ident, "--format", "claude-code", "-o", str(back))
    assert back.read_bytes() == written.read_bytes()
    assert meso("import", str(written))["before"] is True

    # We go on, on a branch of ours; the client resumes that under another id.
    manager = SessionManager(connection)
    at = f"/v1/sessions/{ident}"
    connection.post(f"{at}/branches", MakeBranch(name="try", switch=True), Moved)
    manager.append(ident, message("user", "Remember the number 4711"))
    manager.append(ident, message("assistant", "It is noted."))
    connection.post(f"{at}/switch", Switch(branch="main"), Moved)
    manager.append(ident, message("user", "Not on this branch"))
    connection.post(f"{at}/switch", Switch(branch="try"), Moved)
    new = "11111111-2222-4333-8444-555555555555"
    told_us = meso("export", ident, "--project", str(project), "--session-id", new)
    assert told_us["session_id"] == new
    read = claude_agent_sdk.get_session_messages(new, str(project))
    assert "It is noted." in json.dumps([one.message for one in read])
    assert new in [one.session_id for one in claude_agent_sdk.list_sessions(str(project))]
    with serve(turns([says("4711, of course.")])) as model:
        done = claude(project, model.url, *options, "--resume", new, prompt="Which number?")
        assert done.returncode == 0, done.stdout + done.stderr
        for words in ("Both were read.", "This is a.", "number 4711", "It is noted."):
            assert words in told(model)
        assert "Not on this branch" not in told(model)
        is_paired(model)
    # And back: what we had is as it was, what the client added hangs on it.
    again = meso("import", told_us["files"][0], "--as-new")
    entries = list(manager.entries(again["session"]["id"]))
    ours = {entry.id: entry.model_dump() for entry in manager.entries(ident)}
    found = {entry.id: entry.model_dump() for entry in entries if entry.id in ours}
    native = {i: e for i, e in ours.items() if "foreign" not in e["data"]}
    assert {i: found[i] for i in native} == native
    assert "4711, of course." in json.dumps([entry.data for entry in entries])


def test_a_session_of_claude_code_goes_on_in_pi(
    pi: Any, claude: Any, meso: Any, project: Path, tmp_path: Path
) -> None:
    """Its parallel calls, which it keeps in a record each, are one answer for Pi."""
    script = turns(
        [says("Two files."), calls("Read", file_path=str(project / "a.txt")),
         calls("Bash", command="cat b.txt", description="look")],
        [says("Both were read.")],
    )  # fmt: skip
    options = ("--output-format", "json", "--dangerously-skip-permissions")
    with serve(script) as model:
        done = claude(project, model.url, *options, prompt="Look at the files")
        assert done.returncode == 0, done.stdout + done.stderr
    its = json.loads(done.stdout)["session_id"]
    (written,) = (tmp_path / "config/projects").rglob(f"{its}.jsonl")
    ident = meso("import", str(written), "--as-new")["session"]["id"]
    for_pi = tmp_path / "for-pi.jsonl"
    meso("export", ident, "-o", str(for_pi), "--cwd", str(project))
    before = for_pi.read_bytes()
    with serve(turns([says("I am Pi.")])) as model:
        done = pi(project, model.url, "--session", str(for_pi))
        assert done.returncode == 0, done.stdout + done.stderr
        for words in ("Two files.", "This is a.", "This is b.", "Both were read."):
            assert words in told(model)
        is_paired(model)
    assert for_pi.read_bytes().startswith(before)
    # Back in Claude Code's form, with what Pi has added.
    again = meso("import", str(for_pi), "--as-new")["session"]["id"]
    back = tmp_path / "back.jsonl"
    meso("export", again, "--format", "claude-code", "--session-id", its, "-o", str(back))
    assert back.read_bytes().startswith(written.read_bytes())
    assert b"I am Pi." in back.read_bytes()


def test_a_session_of_pi_goes_on_in_claude_code_and_back(
    pi: Any, claude: Any, meso: Any, project: Path, tmp_path: Path
) -> None:
    sessions = tmp_path / "pi-sessions"
    with serve(turns(*TWO)) as model:
        done = pi(project, model.url, "--session-dir", str(sessions))
        assert done.returncode == 0, done.stdout + done.stderr
    (written,) = sessions.rglob("*.jsonl")
    ident = meso("import", str(written))["session"]["id"]
    told_us = meso("export", ident, "--project", str(project))
    assert any("meso-entry" in note for note in told_us["notes"]), "what has no record is said"
    options = ("--output-format", "json", "--dangerously-skip-permissions")
    with serve(turns([says("I am Claude Code.")])) as model:
        done = claude(project, model.url, *options, "--resume", told_us["session_id"],
                      prompt="Who are you?")  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Both were read." in told(model)
        assert "This is b." in told(model)
        is_paired(model)
    again = meso("import", told_us["files"][0], "--as-new")["session"]["id"]
    for_pi = tmp_path / "for-pi.jsonl"
    meso("export", again, "-o", str(for_pi), "--cwd", str(project))
    kept = [json.loads(one) for one in for_pi.read_bytes().splitlines()]
    before = [json.loads(one) for one in written.read_bytes().splitlines()]
    assert [one for one in kept if one.get("id") in {b["id"] for b in before[1:]}] == before[1:]
    with serve(turns([says("Pi again.")])) as model:
        done = pi_again(pi, tmp_path, project, model, for_pi)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "I am Claude Code." in told(model)
        is_paired(model)


def test_sub_agents_and_files_beside_come_along(meso: Any, project: Path, tmp_path: Path) -> None:
    """Further files of a session: into the store and out to where the client keeps them."""
    ident = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    folder = tmp_path / "config/projects" / re.sub("[^A-Za-z0-9]", "-", str(project))
    beside = folder / ident
    (beside / "subagents").mkdir(parents=True)
    common = {"sessionId": ident, "timestamp": "2026-01-01T00:00:00.000Z", "cwd": str(project)}
    first = {"parentUuid": None, "isSidechain": False, "type": "user", "uuid": "u1",
             "message": {"role": "user", "content": "Ask an agent"}, **common}  # fmt: skip
    agent = first | {"uuid": "s1", "isSidechain": True, "agentId": "x7",
                     "message": {"role": "user", "content": "Sub-task"}}  # fmt: skip
    files = {
        folder / f"{ident}.jsonl": json.dumps(first, separators=(",", ":")).encode() + b"\n",
        beside / "subagents/agent-x7.jsonl": json.dumps(agent, separators=(",", ":")).encode()
        + b"\n",
        beside / "subagents/agent-x7.meta.json": b'{\n "agentType": "Explore"\n}\n',
        beside / "tool-results/one.txt": b"\xff\xfe raw bytes",
    }
    for path, content in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    made = meso("import", str(folder), "--only", ident)
    assert made["branches"] == 2
    told_us = meso("export", made["session"]["id"], "--format", "claude-code",
                   "-o", str(tmp_path / f"{ident}.jsonl"))  # fmt: skip
    assert len(told_us["files"]) == 4
    for path, content in files.items():
        assert (tmp_path / path.relative_to(folder)).read_bytes() == content


def test_compactions_and_sub_agents_of_the_client(
    claude: Any, meso: Any, project: Path, tmp_path: Path, connection: Connection
) -> None:
    """Its `/compact` keeps the end of the conversation, which goes on from there."""

    def script(body: dict[str, Any]) -> list[Any]:
        said = json.dumps(body["messages"])
        if "summary of the conversation" in said.lower():
            return [says("<summary>Beans were planted.</summary>")]
        if "Sub-task" in said and "delegate" not in said:
            return [says("The agent has found beans.")]
        if "delegate" in said and "found beans" not in said:
            return [calls("Agent", description="d", prompt="Sub-task: find beans",
                          subagent_type="general-purpose", run_in_background=False)]  # fmt: skip
        return [says("Done.")]

    options = ("--output-format", "json", "--dangerously-skip-permissions")
    with serve(script) as model:
        for prompt in ("Please delegate", "/compact", "And then?"):
            more = () if prompt == "Please delegate" else ("--continue",)
            done = claude(project, model.url, *options, *more, prompt=prompt)
            assert done.returncode == 0, done.stdout + done.stderr
    its = json.loads(done.stdout)["session_id"]
    (written,) = (tmp_path / "config/projects").rglob(f"{its}.jsonl")
    made = meso("import", str(written))
    assert made["branches"] >= 2, "the sub-agent's is one of its own"
    manager = SessionManager(connection)
    found = [entry for entry in manager.entries(its) if entry.type == "compaction"]
    assert len(found) == 1
    assert found[0].data["firstKeptEntryId"] != found[0].id
    assert found[0].data["tokensBefore"] > 0
    sent = connection.get(f"/v1/sessions/{its}/context", Context)
    text = json.dumps(sent.messages)
    assert "Beans were planted." in text
    assert "And then?" in text
    assert "Please delegate" not in text
    back = tmp_path / f"{its}.jsonl"
    files = meso("export", its, "--format", "claude-code", "-o", str(back))["files"]
    assert back.read_bytes() == written.read_bytes()
    assert sum("agent-" in name for name in files) == 2
    for name in files[1:]:
        beside = written.with_suffix("") / Path(name).relative_to(tmp_path / its)
        assert Path(name).read_bytes() == beside.read_bytes()
    # A compaction of ours, in the client: the summary, what is kept, and nothing from before.
    manager.append(its, message("user", "Plant peas, too"))
    kept = manager.append(its, message("assistant", "Peas are planted."))
    fold = {"summary": "Beans and peas.", "firstKeptEntryId": kept.id, "tokensBefore": 99}
    manager.append(its, NewEntry(type="compaction", data=fold))
    new = "11111111-2222-4333-8444-666666666666"
    meso("export", its, "--project", str(project), "--session-id", new)
    with serve(turns([says("Yes.")])) as model:
        done = claude(project, model.url, *options, "--resume", new, prompt="Is all there?")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Beans and peas." in told(model)
        assert "Peas are planted." in told(model)
        assert "Plant peas, too" not in told(model)
        assert "And then?" not in told(model)
