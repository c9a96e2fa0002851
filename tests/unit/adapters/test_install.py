"""An adapter writes its parts, and takes back exactly them: every other byte stays."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_cli.adapters.base import Source
from meso_cli.adapters.install import (
    drifted,
    install,
    manifest_path,
    read_manifest,
    remove_directories,
    uninstall,
)
from meso_cli.adapters.rows import ADAPTERS, NAMES, find
from meso_cli.adapters.tree import Tree
from meso_cli.output import CliError
from meso_services.prompt.who import Part, Who, from_genome

GENOME = Path(__file__).parents[3] / "genome"
WHO = from_genome(GENOME)
NEAR = Source(WHO)
FAR = Source(WHO, "operator@garden.local", ("ssh", "-o", "BatchMode=yes", "operator@garden.local"))
each = pytest.mark.parametrize("name", NAMES)
texts = st.text(st.characters(codec="utf-8"), max_size=60)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
settings_files = st.fixed_dictionaries(
    {},
    optional={
        "permissions": values,
        "mcpServers": st.dictionaries(texts.filter(lambda key: key != "meso"), values, max_size=2),
        "hooks": st.fixed_dictionaries(
            {}, optional={"Stop": values, "UserPromptSubmit": st.lists(values, max_size=2)}
        ),
    },
)
layouts = st.sampled_from([None, 1, 2, 4, "\t"])


def put_in(top: Path, name: str, source: Source = FAR) -> None:
    tree = Tree(top)
    install(tree, find(name), source)
    tree.write(first=manifest_path(name))


def take_out(top: Path, name: str, *, force: bool = False) -> None:
    tree = Tree(top)
    manifest = uninstall(tree, name, force=force)
    tree.write(first="")
    remove_directories(top, manifest.directories)


def everything(top: Path) -> dict[str, bytes | None]:
    """Every path below `top`, with the bytes of the files."""
    return {
        str(path.relative_to(top)): path.read_bytes() if path.is_file() else None
        for path in sorted(top.rglob("*"))
    }


@each
@pytest.mark.parametrize("source", [NEAR, FAR], ids=["without appliance", "with appliance"])
def test_what_was_installed_leaves_no_trace(tmp_path: Path, name: str, source: Source) -> None:
    put_in(tmp_path, name, source)
    assert f"sha256:{WHO.hash}" in str(everything(tmp_path))
    take_out(tmp_path, name)
    assert everything(tmp_path) == {}


@given(
    notes=texts, data=settings_files, indent=layouts, ascii_only=st.booleans(), end=st.booleans()
)
def test_files_that_were_there_come_back_to_the_byte(
    notes: str, data: dict[str, Any], indent: Any, ascii_only: bool, end: bool
) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only) + "\n" * end
    with TemporaryDirectory() as place:
        top = Path(place)
        (top / ".claude").mkdir()
        for name in ("CLAUDE.md", "AGENTS.md", ".goosehints"):
            (top / name).write_bytes(notes.encode())
        for name in (".mcp.json", ".claude/settings.json"):
            (top / name).write_bytes(text.encode())
        before = everything(top)
        for name in NAMES:
            put_in(top, name)
        installed = json.loads((top / ".claude/settings.json").read_bytes())
        assert len(installed["hooks"]["UserPromptSubmit"]) == 1 + len(
            data.get("hooks", {}).get("UserPromptSubmit", [])
        )
        assert json.loads((top / ".mcp.json").read_bytes())["mcpServers"]["meso"]
        for name in NAMES:
            take_out(top, name)
        assert everything(top) == before


@settings(max_examples=20)
@given(before=texts, above=texts, below=texts)
def test_edits_around_our_part_stay(before: str, above: str, below: str) -> None:
    """The user goes on writing in a file after the installation, above and below."""
    with TemporaryDirectory() as place:
        notes = Path(place) / "CLAUDE.md"
        notes.write_bytes(before.encode())
        put_in(Path(place), "claude-code")
        notes.write_bytes(above.encode() + notes.read_bytes() + below.encode())
        take_out(Path(place), "claude-code")
        assert notes.read_bytes() == (above + before + below).encode()


def test_a_server_that_the_user_adds_later_stays(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text('{\n  "mcpServers": {\n    "a": {"command": "x"}\n  }\n}\n')
    put_in(tmp_path, "claude-code")
    servers = tmp_path / ".mcp.json"
    servers.write_text(servers.read_text().replace('"a":', '"b": {"command": "y"},\n    "a":'))
    take_out(tmp_path, "claude-code")
    assert servers.read_text() == (
        '{\n  "mcpServers": {\n    "b": {"command": "y"},\n    "a": {"command": "x"}\n  }\n}\n'
    )


def test_a_file_that_an_editor_formatted_anew_loses_only_our_member(tmp_path: Path) -> None:
    put_in(tmp_path, "claude-code")
    for name in (".mcp.json", ".claude/settings.json"):
        file = tmp_path / name
        data = json.loads(file.read_text())
        data["own"] = 1
        file.write_text(json.dumps(data))
    take_out(tmp_path, "claude-code")
    assert json.loads((tmp_path / ".mcp.json").read_text()) == {"mcpServers": {}, "own": 1}
    kept = json.loads((tmp_path / ".claude/settings.json").read_text())
    assert kept == {"hooks": {"UserPromptSubmit": []}, "own": 1}


@each
def test_installing_again_replaces_the_old_identity(tmp_path: Path, name: str) -> None:
    (tmp_path / "CLAUDE.md").write_text("Mine.")
    before = everything(tmp_path)
    other = Who("0" * 64, "Other orders.", WHO.zooids[:1], (Part("new", "v1", "d", "t", ("w",)),))
    put_in(tmp_path, name)
    put_in(tmp_path, name, Source(other))
    assert WHO.hash not in str(everything(tmp_path))
    assert "sha256:" + "0" * 64 in str(everything(tmp_path))
    take_out(tmp_path, name)
    assert everything(tmp_path) == before


@each
def test_the_same_again_changes_nothing(tmp_path: Path, name: str) -> None:
    put_in(tmp_path, name)
    tree = Tree(tmp_path)
    install(tree, find(name), FAR)
    assert tree.changes() == {}
    assert tree.diff() == ""


@each
def test_nothing_is_written_before_it_is_told(tmp_path: Path, name: str) -> None:
    tree = Tree(tmp_path)
    install(tree, find(name), FAR)
    assert f"+MESO identity sha256:{WHO.hash}" in tree.diff()
    assert everything(tmp_path) == {}


def test_drift_is_shown_and_not_thrown_away_silently(tmp_path: Path) -> None:
    put_in(tmp_path, "pi")
    notes, skill = tmp_path / "AGENTS.md", tmp_path / ".pi/skills/meso-math/SKILL.md"
    notes.write_text(notes.read_text().replace("# Standing orders", "# Sitting orders"))
    skill.unlink()
    tree = Tree(tmp_path)
    manifest = read_manifest(tree, "pi")
    assert manifest is not None
    assert drifted(tree, manifest) == [
        "AGENTS.md: our part was edited or taken out",
        ".pi/skills/meso-math/SKILL.md is gone",
    ]
    with pytest.raises(CliError) as refused:
        take_out(tmp_path, "pi")
    assert refused.value.code == "adapter.edited"
    assert notes.exists()
    take_out(tmp_path, "pi", force=True)
    assert everything(tmp_path) == {}


def test_a_file_of_the_users_is_never_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".claude/rules").mkdir(parents=True)
    (tmp_path / ".claude/rules/meso-00-operator.md").write_text("mine")
    before = everything(tmp_path)
    with pytest.raises(CliError) as refused:
        put_in(tmp_path, "claude-code")
    assert refused.value.code == "adapter.exists"
    assert everything(tmp_path) == before


def test_no_link_is_followed_out_of_the_directory(tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text("outside")
    top = tmp_path / "project"
    top.mkdir()
    (top / "CLAUDE.md").symlink_to(outside)
    with pytest.raises(CliError) as refused:
        put_in(top, "claude-code")
    assert refused.value.code == "adapter.link"
    assert outside.read_text() == "outside"


@pytest.mark.parametrize("text", ["[]", "{", '{"mcpServers": 1}', '{"mcpServers": {"meso": 1}}'])
def test_a_file_that_cannot_be_extended_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / ".mcp.json").write_text(text)
    before = everything(tmp_path)
    with pytest.raises(CliError) as refused:
        put_in(tmp_path, "claude-code")
    assert refused.value.code == "adapter.json"
    assert everything(tmp_path) == before


def test_an_interrupted_installation_can_be_taken_back(tmp_path: Path) -> None:
    """The manifest comes first, so whatever was written after it is known."""
    tree = Tree(tmp_path)
    install(tree, find("claude-code"), FAR)
    writes = list(tree.changes().items())
    (tmp_path / ".meso-adapter").mkdir()
    for path, (_, text) in [(p, t) for p, t in writes if p == manifest_path("claude-code")]:
        (tmp_path / path).write_text(text or "")
    take_out(tmp_path, "claude-code")
    assert everything(tmp_path) == {}


def test_every_platform_answers_for_every_capability() -> None:
    matrices = [set(adapter.capabilities) for adapter in ADAPTERS]
    assert all(matrix == matrices[0] for matrix in matrices)
    assert all(cell.how for adapter in ADAPTERS for cell in adapter.capabilities.values())
