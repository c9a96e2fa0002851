"""Which paths are covered for a command: what rules keep from it, from the top down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meso_services.runtime.errors import MesoError
from meso_services.tool_executor import hiding
from meso_services.tool_executor.hiding import Covers
from meso_services.tool_executor.policy.judge import Judge, Question
from meso_services.tool_executor.policy.settings import Policy

FILES = ("secrets/a/key", "secrets/b", "src/app.py", "src/deep/site.pem", "notes/private.txt")
RULES = (
    {"name": "keys", "decision": "deny", "paths": ["secrets/**", "*.pem"]},
    {"name": "notes", "decision": "ask", "paths": ["notes/private.txt"]},
    {"name": "source", "decision": "allow", "paths": ["src/**"]},
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    place = tmp_path / "workspace"
    for name in FILES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("x")
    (place / "link").symlink_to("secrets")
    return place


def covered(workspace: Path, command: str, *rules: dict[str, object]) -> dict[str, str]:
    policy = Policy.model_validate_json(json.dumps({"rules": rules or RULES}))
    judge = Judge(policy)
    asked = Question("bash", "s", "main", command=command)
    kept = judge.keeps(asked, judge.judge(asked).found)
    if kept is None:
        return {}
    covers = Covers(workspace.parent / "covers")
    covers.make()
    return {path: cover.name for cover, path in covers.over(workspace, kept)}


def test_what_is_denied_is_covered_and_what_is_asked_about_unless_it_is_named(
    workspace: Path,
) -> None:
    always = {"secrets": "directory", "src/deep/site.pem": "file"}
    assert covered(workspace, "make") == {**always, "notes/private.txt": "file"}
    assert covered(workspace, "cat notes/private.txt") == always
    assert covered(workspace, "tar c notes") == always
    assert covered(workspace, "cat notes/private*")["notes/private.txt"] == "file"


def test_rules_for_others_and_rules_that_allow_cover_nothing(workspace: Path) -> None:
    assert covered(workspace, "make", RULES[2]) == {}
    other = {"name": "o", "decision": "deny", "paths": ["secrets/**"], "sessions": ["other"]}
    assert covered(workspace, "make", other) == {}
    reader = {"name": "r", "decision": "deny", "paths": ["secrets/**"], "tools": ["write"]}
    assert covered(workspace, "make", reader) == {}


def test_what_cannot_be_covered_as_a_whole_is_refused(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hiding, "MOST_COVERS", 1)
    with pytest.raises(MesoError, match="more than 1 paths") as caught:
        covered(workspace, "make")
    assert caught.value.code == "policy.too_many_files"
    monkeypatch.setattr(hiding, "MOST_COVERS", 500)
    monkeypatch.setattr(hiding, "MOST_LOOKED_AT", 3)
    with pytest.raises(MesoError, match="more than 3 files"):
        covered(workspace, "make")
