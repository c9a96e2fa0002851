"""What somebody sees who types `meso`, before anything is installed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from meso_cli import registry
from meso_cli.command import parse

TOP = Path(__file__).resolve().parents[3]
LAUNCHER = TOP / "meso"


def meso(*words: str, isolated: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the launcher with no site packages, as on a computer with nothing but Python."""
    flags = ["-S"] if isolated else []
    argv = [sys.executable, *flags, str(LAUNCHER), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_help_lists_every_verb_and_the_first_command_to_try() -> None:
    shown = meso("--help")
    assert shown.returncode == 0
    for verb in registry.VERBS:
        assert f"  {verb.name} " in shown.stdout
    assert "Start with: meso vm x86-minipc" in shown.stdout


@pytest.mark.parametrize("verb", [v.name for v in registry.VERBS])
def test_each_verb_explains_itself_with_examples_and_nothing_installed(verb: str) -> None:
    shown = meso(verb, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"usage: meso {verb}" in shown.stdout
    assert f"  meso {verb}" in shown.stdout.split("examples:")[1]
    assert max(map(len, shown.stdout.splitlines())) <= 100


def test_a_mistyped_verb_is_refused_with_the_nearest_one() -> None:
    shown = meso("stup")
    assert shown.returncode == 2
    assert "there is no verb `stup`" in shown.stderr
    assert "Did you mean `meso setup`?" in shown.stderr
    assert shown.stdout == ""


def test_wrong_usage_stops_before_anything_is_brought() -> None:
    shown = meso("setup", "--no-such-option")
    assert shown.returncode == 2
    assert "--no-such-option" in shown.stderr


def test_an_unknown_verb_for_setup_names_it() -> None:
    shown = meso("setup", "--dry-run", "fly")
    assert shown.returncode == 2
    assert "`fly`" in shown.stderr


def test_nothing_at_all_shows_the_help_as_wrong_usage() -> None:
    assert meso().returncode == 2


def test_a_dry_run_answers_in_json() -> None:
    shown = meso("setup", "--dry-run", "--json", isolated=False)
    assert shown.returncode == 0
    assert set(json.loads(shown.stdout)) == {"missing", "commands"}


def test_the_launcher_itself_can_be_read_by_python_3_9() -> None:
    """An old Python must get as far as the sentence that says which one is needed."""
    ast.parse(LAUNCHER.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize(
    "words",
    [
        ["session", "create", "--name", "n", "--host", "me@box", "--json"],
        ["session", "--json", "--host=me@box", "create", "--name", "n"],
    ],
)
def test_the_common_options_may_stand_anywhere(words: list[str]) -> None:
    command = parse(words)
    assert (command.host, command.json) == ("me@box", True)
    assert command.words == ("create", "--name", "n")


def test_words_after_two_dashes_are_left_alone() -> None:
    command = parse(["test", "vm", "--", "-k", "x", "--json"])
    assert not command.json
    assert command.request.words == ("-k", "x", "--json")
    assert parse(["test", "--", "-k", "x"]).request.words == ("-k", "x")


def test_a_verb_of_the_appliance_says_how_to_reach_one() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "meso_cli", "memory", "search", "kettle"],
        capture_output=True,
        text=True,
        check=False,
        cwd=TOP,
    )
    assert shown.returncode == 1
    assert "--host vm:x86-minipc" in shown.stderr
