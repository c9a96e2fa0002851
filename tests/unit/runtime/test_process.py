"""What a caller of the one door to other programs can rely on."""

from __future__ import annotations

import sys

import pytest

from meso_services.runtime import process


def test_a_program_gets_its_input_and_its_output_comes_back() -> None:
    result = process.run(["cat"], given="hällo\n")
    assert (result.status, result.stdout) == (0, "hällo\n")


def test_a_failure_names_the_command_the_status_and_its_last_words() -> None:
    with pytest.raises(process.CommandError) as caught:
        process.run([sys.executable, "-c", "import sys; sys.exit('no such disk')"])
    assert caught.value.status == 1
    assert "no such disk" in str(caught.value)


def test_a_missing_program_is_a_command_error() -> None:
    with pytest.raises(process.CommandError, match=r"no-such-program-here. was not found"):
        process.run(["no-such-program-here"])


def test_a_program_that_takes_too_long_is_killed_and_reported() -> None:
    with pytest.raises(process.CommandError) as caught:
        process.run(["sleep", "60"], timeout=0.2)
    assert caught.value.status == 124


def test_a_secret_reaches_no_error() -> None:
    with pytest.raises(process.CommandError) as caught:
        process.run(["sh", "-c", "echo hunter2 >&2; exit 3", "hunter2"], secrets=["hunter2"])
    assert "hunter2" not in str(caught.value)
    assert "***" in str(caught.value)


def test_none_takes_a_variable_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESO_TEST_GONE", "1")
    result = process.run(["env"], env={"MESO_TEST_GONE": None, "MESO_TEST_NEW": "2"})
    assert "MESO_TEST_GONE" not in result.stdout
    assert "MESO_TEST_NEW=2" in result.stdout


def test_following_hands_over_lines_as_they_come() -> None:
    lines: list[str] = []
    process.follow(["sh", "-c", "echo one; echo two >&2"], lines.append)
    assert lines == ["one", "two"]
