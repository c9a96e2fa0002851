"""The generation that the image build makes, as its caller sees it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
schema = 1
hostname = "reef"
board = "vps"
system = "x86_64-linux"
[services.mind_runner]
memory_max = "2G"
"""
ZOOID = """\
---
name: 00-operator
version: v1
description: Whom to serve
---
The operator.
"""
OPERON = """\
---
name: math
version: v1
description: How to calculate
budget_tokens: 50
triggers:
  words: [calculate]
---
1 + 1
"""
OPERON_TESTS = """\
loads: [calculate it, please calculate, Calculate!]
does_not_load: [good morning, "1 + 1", recalculate]
"""
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "reef.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    root = tmp_path / "genome"
    (root / "zooids").mkdir(parents=True)
    (root / "operons/math").mkdir(parents=True)
    (root / "STANDING-ORDERS.md").write_text("Serve.\n")
    (root / "zooids/00-operator.md").write_text(ZOOID)
    (root / "operons/math/OPERON.md").write_text(OPERON)
    (root / "operons/math/tests.yaml").write_text(OPERON_TESTS)
    return root


def run(config: Path, genome: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meso_services.generation", "--config", str(config)]
    command += ["--genome", str(genome), "--out", str(out), "--epoch", "1700000000", *more]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def listing(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and directory: mode, time, content."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            int(path.stat().st_mtime),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted([root, *root.rglob("*")])
    }


def test_equal_inputs_give_equal_directories(config: Path, genome: Path, tmp_path: Path) -> None:
    """Content, modes and times are alike, and nothing else is left in the parent."""
    for name in ("a", "b"):
        done = run(config, genome, tmp_path / name)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert listing(tmp_path / "a") == listing(tmp_path / "b")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "genome", "reef.toml"]


def test_layout_is_that_of_the_contract(config: Path, genome: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(config, genome, out)
    assert (out / "genome/STANDING-ORDERS.md").read_text() == "Serve.\n"
    assert (out / "zooids/00-operator.md").is_file()
    assert (out / "operons/math/OPERON.md").is_file()
    assert not (out / "genome/zooids").exists()
    assert (out / "host/hostname").read_text() == "reef\n"
    assert (out / "units.d/meso-mind-runner.service.conf").read_text() == (
        "[Service]\nMemoryMax=2147483648\n"
    )
    assert sorted(path.name for path in (out / "config").iterdir()) == [
        "api-proxy.json",
        "embed.json",
        "mcp.json",
        "memory-manager.json",
        "mind-runner.json",
        "operon-loader.json",
        "session-manager.json",
        "system.json",
        "tool-executor.json",
    ]
    assert json.loads((out / "config/system.json").read_text())["hostname"] == "reef"


def test_manifest_accounts_for_every_file(config: Path, genome: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(config, genome, out, "--name", "my-vps")
    manifest = json.loads((out / "manifest.json").read_text())
    files = {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert manifest["contents"] == files
    assert (manifest["schema"], manifest["counter"], manifest["name"]) == (1, 0, "my-vps")
    assert manifest["needs"] == {"base": "debian", "system": "x86_64-linux"}


def test_identity_follows_the_genome_and_not_the_configuration(
    config: Path, genome: Path, tmp_path: Path
) -> None:
    def identity(out: Path) -> str:
        run(config, genome, out)
        found: str = json.loads((out / "manifest.json").read_text())["identity"]["hash"]
        return found

    first = identity(tmp_path / "1")
    config.write_text(CONFIG.replace("reef", "pond"))
    assert identity(tmp_path / "2") == first
    (genome / "zooids/00-operator.md").write_text(ZOOID.replace("The", "Another"))
    assert identity(tmp_path / "3") != first


def test_an_invalid_file_makes_nothing(config: Path, genome: Path, tmp_path: Path) -> None:
    config.write_text(CONFIG + "colour = 1\n")
    done = run(config, genome, tmp_path / "out")
    assert done.returncode == 1
    assert f"{config}:7:1: services.mind_runner.colour: is an unknown key" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["genome", "reef.toml"]


@pytest.mark.parametrize("missing", ["zooids", "operons", "STANDING-ORDERS.md"])
def test_an_incomplete_genome_is_named(
    config: Path, genome: Path, tmp_path: Path, missing: str
) -> None:
    (genome / missing).rename(tmp_path / "elsewhere")
    done = run(config, genome, tmp_path / "out")
    assert done.returncode == 1
    assert f"{genome / missing}: is missing" in done.stderr
    assert not (tmp_path / "out").exists()


def test_every_mistake_in_a_genome_is_named_at_once(
    config: Path, genome: Path, tmp_path: Path
) -> None:
    (genome / "zooids/00-operator.md").write_text(ZOOID.replace("v1", "one"))
    (genome / "operons/math/OPERON.md").write_text(OPERON.replace("budget_tokens: 50", "budget: 5"))
    done = run(config, genome, tmp_path / "out")
    assert done.returncode == 1
    assert f"{genome}/zooids/00-operator.md: version: " in done.stderr
    assert f"{genome}/operons/math/OPERON.md: budget: unknown key" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_operon_that_fails_its_own_test_is_refused(
    config: Path, genome: Path, tmp_path: Path
) -> None:
    (genome / "operons/math/OPERON.md").write_text(OPERON.replace("calculate]", "compute]"))
    done = run(config, genome, tmp_path / "out")
    assert done.returncode == 1
    assert "math: must load on 'calculate it'" in done.stderr


def test_a_link_out_of_the_genome_is_refused(config: Path, genome: Path, tmp_path: Path) -> None:
    (genome / "reference.md").symlink_to("/etc/passwd")
    done = run(config, genome, tmp_path / "out")
    assert done.returncode == 1
    assert "reference.md" in done.stderr
    assert "Replace the link" in done.stderr


def test_an_existing_directory_is_not_overwritten(
    config: Path, genome: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("x")
    done = run(config, genome, out)
    assert done.returncode == 1
    assert f"{out}: exists already" in done.stderr
    assert (out / "precious").read_text() == "x"


def test_git_s_own_files_stay_behind(config: Path, genome: Path, tmp_path: Path) -> None:
    (genome / ".git").mkdir()
    (genome / ".git/config").write_text("secret")
    run(config, genome, tmp_path / "out")
    assert not list((tmp_path / "out").rglob(".git*"))
