"""Branches of Claude Code's sessions at any place, of transcripts of any shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meso_cli.adapters.claude_sessions import work
from meso_cli.adapters.claude_sessions.project import Project
from meso_services.transcripts.claude_layout import project_name
from tests.unit.transcripts.trees import SESSION, claude_file

COMMON = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def project(tmp_path: Path, content: bytes) -> Project:
    """A project with one session."""
    config = tmp_path / "config"
    folder = config / "projects" / project_name(tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("*.jsonl"), config / "meso" / folder.name / "sessions.json"):
        path.unlink(missing_ok=True)
    (folder / f"{SESSION}.jsonl").write_bytes(content)
    return Project(tmp_path, {"CLAUDE_CONFIG_DIR": str(config)})


def records(content: bytes) -> list[Any]:
    return [json.loads(line) for line in content.splitlines()]


def ids(rows: list[Any], kind: str, key: str) -> set[str]:
    contents = [row["message"]["content"] for row in rows if "message" in row]
    return {b[key] for blocks in contents if isinstance(blocks, list) for b in blocks
            if b["type"] == kind}  # fmt: skip


@COMMON
@given(claude_file(), st.data())
def test_a_branch_never_parts_a_call_from_its_result(
    tmp_path: Path, content: bytes, data: Any
) -> None:
    place = project(tmp_path, content)
    path = place.folder / f"{SESSION}.jsonl"
    spoken = [row for row in records(content) if row["type"] in ("user", "assistant")
              and not row["isSidechain"]]  # fmt: skip
    if not spoken:
        return
    at = data.draw(st.sampled_from(spoken))["uuid"]
    made = work.branch(place, "try", SESSION, at, None)
    copy = records((place.folder / f"{made['session']}.jsonl").read_bytes())
    assert at in {row.get("uuid") for row in copy}
    wanted = ids(copy, "tool_use", "id") & ids(records(content), "tool_result", "tool_use_id")
    assert wanted <= ids(copy, "tool_result", "tool_use_id")
    assert {row["sessionId"] for row in copy} == {made["session"]}
    # A prefix of the session, of which only the session's id is another.
    changed = ("sessionId", "forkedFrom")
    bare = [{k: v for k, v in row.items() if k not in changed} for row in copy[:-1]]
    original = [{k: v for k, v in row.items() if k not in changed} for row in records(content)]
    assert [row for row in original[: len(bare) + 9] if row in bare][: len(bare)] == bare
    assert path.read_bytes() == content


@COMMON
@given(claude_file())
def test_checkpoint_and_restore_keep_every_record(tmp_path: Path, content: bytes) -> None:
    place = project(tmp_path, content)
    if not [r for r in records(content) if r["type"] in ("user", "assistant")
            and not r["isSidechain"]]:  # fmt: skip
        return
    kept = work.checkpoint(place, "here", SESSION, "")
    (place.folder / f"{SESSION}.jsonl").unlink()
    back = work.restore(place, kept["checkpoint"], None)
    rows = records((place.folder / f"{back['session']}.jsonl").read_bytes())
    uuids = [row["uuid"] for row in records(content) if "uuid" in row]
    assert [row["uuid"] for row in rows if "uuid" in row] == uuids
