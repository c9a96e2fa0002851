"""`meso config` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.config.test_mistakes import BASE

TOP = Path(__file__).resolve().parents[3]


def config(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meso_cli", "config", *words]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)


def test_check_without_a_name_reads_all_of_our_files() -> None:
    done = config("check")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"configs/{path.name}" for path in sorted((TOP / "configs").glob("*.toml"))
    ]
    assert all(": ok " in line for line in lines)


def test_check_by_name_says_ok_and_a_summary() -> None:
    done = config("check", "vps")
    assert done.stdout.startswith("configs/vps.toml: ok   meso-vps on vps (x86_64-linux)")


def test_mistakes_go_to_stderr_and_fail(tmp_path: Path) -> None:
    """Beside a good file the good one is still said to be good."""
    path = tmp_path / "reef.toml"
    path.write_text(BASE + "x = 1\n")
    done = config("check", str(path), "vps")
    assert done.returncode == 1
    assert f"{path}:5:1: x: is an unknown key" in done.stderr
    assert "configs/vps.toml: ok" in done.stdout


def test_check_for_programs(tmp_path: Path) -> None:
    path = tmp_path / "reef.toml"
    path.write_text(BASE + "x = 1\n")
    done = config("check", str(path), "--json")
    assert done.returncode == 1
    (file,) = json.loads(done.stdout)["files"]
    assert (file["ok"], file["mistakes"][0]["code"]) == (False, "config.unknown_key")
    assert (file["mistakes"][0]["line"], file["mistakes"][0]["key"]) == (5, "x")


def test_a_name_that_is_not_there_names_the_nearest() -> None:
    done = config("check", "x86-mini")
    assert done.returncode == 1
    assert "did you mean: configs/x86-minipc.toml" in done.stderr


def test_schema_is_json_on_stdout() -> None:
    done = config("schema")
    assert json.loads(done.stdout)["$schema"].endswith("2020-12/schema")


def test_render_shows_every_file() -> None:
    done = config("render", "vps")
    assert "==> host/hostname <==\nmeso-vps\n" in done.stdout
    assert "==> config/api-proxy.json <==\n{" in done.stdout


def test_render_writes_below_a_new_directory(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = config("render", "vps", "--out", str(out))
    assert done.stdout == f"{out}\n"
    assert (out / "host/hostname").read_text() == "meso-vps\n"
    again = config("render", "vps", "--out", str(out))
    assert again.returncode == 1
    assert "exists already" in again.stderr


def test_diff_names_the_command_for_each_change() -> None:
    done = config("diff", "vps", "x86-minipc")
    assert 'hostname: "meso-vps" -> "meso"   (meso rebuild switch)' in done.stdout
    assert config("diff", "vps", "vps").stdout == "no difference\n"


def test_diff_of_a_broken_file_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "reef.toml"
    path.write_text("x")
    done = config("diff", "vps", str(path))
    assert done.returncode == 1
    assert "broken TOML" in done.stderr


@pytest.mark.parametrize("words", [("diff", "vps"), ("render",), ("schema", "vps")])
def test_a_wrong_number_of_names_is_said(words: tuple[str, ...]) -> None:
    done = config(*words)
    assert done.returncode == 2
    assert "takes" in done.stderr


def test_what_is_allowed_and_unwise_is_said(tmp_path: Path) -> None:
    text = (TOP / "configs/x86-minipc.toml").read_text()
    text += '\n[boot]\nmenu_seconds = 0\n[notify]\nwebhook = "https://hooks.example.org/x"\n'
    (tmp_path / "quiet.toml").write_text(text)
    shown = config("check", str(tmp_path / "quiet.toml"))
    assert shown.returncode == 0
    assert "hides the boot menu, and with it recovery" in shown.stderr
    assert "egress.allow does not have hooks.example.org" in shown.stderr
