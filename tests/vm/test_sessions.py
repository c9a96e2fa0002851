"""Branches, merges and checkpoints by the operator's commands, through the units of the image.

The machine is shared: sessions of their own, memory is only read.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from meso_host.vm.lab import LabMachine


def meso(machine: LabMachine, *words: str) -> Any:
    """What `meso WORDS --json` prints, as the operator."""
    command = shlex.join(["meso", *words, "--json"])
    return json.loads(machine.run(command, user="operator", check=True).stdout)


def test_a_branch_with_files_is_merged_and_a_checkpoint_brings_all_back(
    machine: LabMachine,
) -> None:
    """Session manager, tool executor, operon loader and memory manager play together."""
    session = meso(machine, "session", "create", "--name", "branches")["id"]
    meso(machine, "tool", "workspace", session)
    meso(machine, "session", "append", session, "base")
    made = meso(machine, "checkpoint", "create", session, "before")
    assert made["meso"]["missing"] == []
    assert made["identity"]["loaded_zooids"]
    branch = meso(machine, "session", "branch", session, "side")
    assert branch["workspace"] == "branched"
    meso(machine, "session", "append", session, "found it", "--branch", "side")
    merged = meso(machine, "session", "merge", session, "side")
    assert (merged["added"], merged["changed"]) == (1, True)
    assert "found it" in json.dumps(meso(machine, "session", "context", session)["messages"])
    done = meso(machine, "checkpoint", "restore", made["checkpoint_id"])
    assert (done["identity"], done["workspace"]) == ("same", "restored")
    assert "found it" not in json.dumps(meso(machine, "session", "context", session)["messages"])
    kept = meso(machine, "session", "context", session, "--branch", done["kept_branch"])
    assert "found it" in json.dumps(kept["messages"])


def test_a_checkpoint_is_exported_and_imported_over_the_command_line(
    machine: LabMachine,
) -> None:
    session = meso(machine, "session", "create")["id"]
    meso(machine, "session", "append", session, "to be carried")
    ident = meso(machine, "checkpoint", "create", session, "carried")["checkpoint_id"]
    file = f"/tmp/{ident}.meso"
    meso(machine, "checkpoint", "export", ident, file)
    meso(machine, "checkpoint", "delete", ident)
    assert meso(machine, "checkpoint", "import", file)["checkpoint_id"] == ident


def test_transcripts_of_other_agents_come_and_go_over_the_command_line(
    machine: LabMachine,
) -> None:
    """A file of Pi's becomes a session, goes to Claude Code's form, and comes back the same."""
    ident = "5e550000-0000-4000-8000-00000000c0de"
    head = {"type": "session", "version": 3, "id": ident, "timestamp": "2026-01-01T00:00:00.000Z",
            "cwd": "/work"}  # fmt: skip
    lines = [head]
    for name, parent in (("a", None), ("b", "a"), ("c", "a")):
        said = {"role": "user", "content": f"I am {name}", "timestamp": 1}
        lines.append({"type": "message", "id": name, "parentId": parent, "odd": [1],
                      "timestamp": "2026-01-01T00:00:00.000Z", "message": said})  # fmt: skip
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    file = f"/tmp/{ident}.jsonl"
    machine.run(f"printf %s {shlex.quote(text)} > {file}", user="operator", check=True)
    planned = meso(machine, "session", "import", file, "--dry-run")
    assert (planned["session"], planned["entries"], planned["branches"]) == (None, 3, 2)
    assert meso(machine, "session", "import", file)["session"]["id"] == ident
    back = f"/tmp/back-{ident}.jsonl"
    meso(machine, "session", "export", ident, "-o", back)
    assert machine.run(f"cmp {file} {back}", user="operator", check=True).status == 0
    through = f"/tmp/claude-{ident}.jsonl"
    meso(machine, "session", "export", ident, "--format", "claude-code", "-o", through)
    again = meso(machine, "session", "import", through, "--as-new")["session"]["id"]
    assert meso(machine, "session", "show", again) == meso(machine, "session", "show", ident)


def test_a_session_is_handed_over_and_pushed_by_a_directory(machine: LabMachine) -> None:
    """One machine plays both sides: what was handed over is picked up beside what went on."""
    session = meso(machine, "session", "create", "--name", "to be handed over")["id"]
    meso(machine, "tool", "workspace", session)
    meso(machine, "session", "append", session, "water the beds")
    file, stick = f"/tmp/{session}.meso", f"/tmp/stick-{session}"
    done = meso(machine, "session", "handoff", session, "--note", "bed 2", "--file", file)
    assert (done["missing"], done["workspace"]) == ([], True)
    meso(machine, "session", "append", session, "went on")
    went_on = meso(machine, "session", "resume", session)
    assert (went_on["checkpoint"], went_on["workspace"]) == (done["checkpoint"], "same")
    picked = meso(machine, "session", "pickup", file, "--branch", "again", "--on", "pi")
    assert (picked["note"], picked["restored"]["workspace"]) == ("bed 2", "restored")
    said = json.dumps(meso(machine, "session", "context", session, "--branch", "again"))
    assert "bed 2" in said
    assert "went on" not in said
    pushed = meso(machine, "session", "push", stick, session)["sessions"]
    assert [one["session"] for one in pushed] == [session]
    assert meso(machine, "session", "pull", stick)["sessions"] == []
