"""Getting a computer ready: what is asked for, what is refused, what is not done twice."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meso_cli.registry import VERBS
from meso_host.errors import HostError
from meso_host.setup import debian, needs, plan, tree
from meso_host.setup.needs import Need
from meso_host.setup.venv import STAMP, Environment, count
from meso_services.runtime import process

ABSENT = Need("flux", "bend space", ("flux-capacitor", "dilithium"), lambda: False)


def make_tree(top: Path, text: str = "") -> Environment:
    (top / "requirements").mkdir(exist_ok=True)
    for kind in ("runtime", "dev"):
        (top / "requirements" / f"{kind}.txt").write_text(text + f"# {kind}\n", encoding="utf-8")
    return Environment(top / ".meso" / "venv", top)


def test_without_root_the_exact_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(debian, "is_debian", lambda: True)
    with pytest.raises(HostError) as caught:
        plan.carry_out(plan.Plan((ABSENT,), "runtime"))
    assert "needed to bend space" in caught.value.message
    lines = caught.value.remedy.splitlines()
    assert "apt-get install --yes --no-install-recommends flux-capacitor dilithium" in lines
    assert "apt-get update" in lines


@pytest.fixture
def busy_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get that finds the lock taken twice, with apt's own words; the file of its calls."""
    calls = tmp_path / "calls"
    program = tmp_path / "bin/apt-get"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
echo "$@" >> {calls}
[ "$(wc -l < {calls})" -gt 2 ] && exit 0
echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)" >&2
exit 100
""",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "BUSY_PAUSE", 0.01)
    return calls


@pytest.mark.parametrize("bring", [debian.update, lambda note: debian.install(["dilithium"], note)])
def test_another_apt_is_waited_for(busy_apt: Path, bring: Callable[..., None]) -> None:
    said: list[str] = []
    bring(said.append)
    assert len(busy_apt.read_text(encoding="utf-8").splitlines()) == 3
    assert "another apt is running; waiting for it to end" in said


def test_another_apt_is_not_waited_for_without_end(
    busy_apt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "BUSY_SECONDS", -1.0)
    with pytest.raises(process.CommandError, match="held by process 1"):
        debian.update(lambda _: None)
    assert len(busy_apt.read_text(encoding="utf-8").splitlines()) == 1


def test_another_distribution_learns_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "is_debian", lambda: False)
    with pytest.raises(HostError, match="no Debian") as caught:
        plan.carry_out(plan.Plan((ABSENT,), None))
    assert "flux-capacitor dilithium" in caught.value.remedy


def test_only_what_the_appliance_needs_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "TOP", tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "arm.toml").write_text('system = "aarch64-linux"\n', encoding="utf-8")
    assert [n.name for n in needs.named(["qemu", "ssh"], ["arm"])] == ["qemu-aarch64", "ssh"]
    assert [n.name for n in needs.named(["qemu"], ["--fresh"])] == ["qemu-x86_64"]


def test_every_need_of_every_verb_has_a_row() -> None:
    known = {n.name for n in needs.NEEDS} | {"qemu", *plan.KINDS}
    assert {need for verb in VERBS for need in verb.needs} <= known


def test_an_environment_is_made_once_and_serves_the_tree(tmp_path: Path) -> None:
    environment = make_tree(tmp_path)
    assert not environment.installed("runtime")
    environment.install("runtime", lambda _: None)
    assert environment.installed("runtime")
    assert not environment.installed("dev")
    (tmp_path / "hello.py").write_text("print('from the tree')\n", encoding="utf-8")
    result = process.run([environment.python, "-m", "hello"], cwd=Path("/"))
    assert result.stdout == "from the tree\n"


def test_changed_requirements_are_noticed(tmp_path: Path) -> None:
    environment = make_tree(tmp_path)
    environment.install("dev", lambda _: None)
    assert environment.installed("dev")
    assert environment.installed("runtime"), "dev contains runtime"
    make_tree(tmp_path, "# changed\n")
    assert not environment.installed("dev")


def test_an_interrupted_installation_is_not_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    environment = make_tree(tmp_path)
    environment.install("runtime", lambda _: None)
    make_tree(tmp_path, "no-such-package-0f3a==1 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(HostError, match="could not be installed"):
        environment.install("runtime", lambda _: None)
    assert not (environment.path / STAMP).exists()
    assert not environment.installed("runtime")


def test_a_moved_tree_gets_a_new_environment(tmp_path: Path) -> None:
    old = make_tree(tmp_path)
    old.install("runtime", lambda _: None)
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    tmp_path.rename(moved)
    assert not Environment(moved / ".meso" / "venv", moved).installed("runtime")


def test_packages_of_a_locked_file_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "r.txt"
    file.write_text("# c\na==1 \\\n    --hash=sha256:0\nb==2 \\\n    --hash=sha256:1\n")
    assert count(file) == 2


def test_this_python_has_what_an_environment_needs() -> None:
    assert needs.missing(needs.named(["venv"])) == [] or sys.prefix != sys.base_prefix


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vm", "x86-minpc"], "Did you mean `x86-minipc`?"),
        (["build", "x86-minpc"], "Did you mean `x86-minipc`?"),
        (["build", "../elsewhere"], "there is no configs/../elsewhere.toml"),
        (["sbom", "broken"], "broken.toml:1:8: broken TOML"),
        (["config", "check", "x86-minpc"], "did you mean: configs/x86-minipc.toml"),
        (["config", "check", "broken"], "broken.toml:1:8: broken TOML"),
    ],
)
def test_what_a_command_names_is_looked_at_before_anything_is_brought(
    tmp_path: Path, words: list[str], said: str
) -> None:
    """A fresh clone, run with the system's own Python: nothing is installed or made for a typo."""
    copy = tmp_path / "clone"
    for part in ("meso_cli", "meso_host", "meso_services", "configs", "requirements"):
        shutil.copytree(tree.TOP / part, copy / part)
    shutil.copy(tree.TOP / "meso", copy)
    (copy / "configs/broken.toml").write_text("key = [", encoding="utf-8")
    done = process.run(
        [sys.executable, "-S", "meso", *words], cwd=copy, env={"PYTHONPATH": None}, check=False
    )
    assert done.status == 1
    assert said in done.stderr
    assert not (copy / ".meso").exists()
