"""One appliance, one derivation: whoever evaluates it, wherever the tree lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meso_host import nix
from meso_services.runtime import process

from .conftest import TOP, NixError, derivation

pytestmark = pytest.mark.nix


def git(tree: Path, *words: str) -> None:
    process.run(["git", *words], cwd=tree)


def flake(tree: Path, attribute: str) -> str:
    argv = ["nix", "eval", "--raw", f"git+file://{tree}#{attribute}.drvPath"]
    return process.run(argv, env=nix.environment(), cwd=tree).stdout


@pytest.mark.parametrize("name", ["x86-minipc", "jetson-orin"])
def test_the_flake_and_meso_build_give_the_same_from_different_directories(
    tree: Path, name: str
) -> None:
    """Also: nixpkgs is locked and cannot be had here, and nothing asks for it."""
    git(tree, "init", "--quiet")
    git(tree, "add", "--all")
    here = derivation(TOP, name)
    assert derivation(tree, name) == here
    assert flake(tree, f"packages.x86_64-linux.{name}") == here


def test_files_that_do_not_matter_change_nothing(tree: Path) -> None:
    before = derivation(tree, "vps")
    (tree / "notes.txt").write_text("mine")
    (tree / "configs/other.toml").write_text("schema = 1\n")
    cache = tree / "meso_services/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "x.cpython-313.pyc").write_bytes(b"x")
    assert derivation(tree, "vps") == before


def test_an_appliance_that_git_does_not_know_can_be_built(tree: Path) -> None:
    text = (tree / "configs/vps.toml").read_text().replace('hostname = "', 'hostname = "my-')
    (tree / "configs/mine.toml").write_text(text)
    assert derivation(tree, "mine").endswith("-image-mine.drv")


def steps_of(path: str) -> set[str]:
    """The names of our own derivations that one depends on."""
    argv = ["nix-store", "--query", "--requisites", path]
    found = process.run(argv, env=nix.environment()).stdout.split()
    fetched = (".deb.drv", ".whl.drv", ".tar.gz.drv", ".tar.xz.drv")
    return {drv for drv in found if drv.endswith(".drv") and not drv.endswith(fetched)}


def test_a_key_of_the_configuration_runs_no_step_that_unpacks_packages(tree: Path) -> None:
    before = steps_of(derivation(tree, "vps"))
    file = tree / "configs/vps.toml"
    file.write_text(file.read_text().replace('hostname = "', 'hostname = "other-'))
    changed = steps_of(derivation(tree, "vps")) - before
    names = {Path(drv).name[33:].removesuffix(".drv") for drv in changed}
    assert names == {f"{step}-vps" for step in ("generation", "image")}


def test_a_service_s_code_does_not_rebuild_the_initial_ram_disk(tree: Path) -> None:
    before = derivation(tree, "vps", "initrd")
    module = tree / "meso_services/__init__.py"
    module.write_text(module.read_text() + "\nCHANGED = True\n")
    assert derivation(tree, "vps", "initrd") == before


def change_config(tree: Path, old: str, new: str) -> None:
    file = tree / "configs/vps.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_an_unknown_board_is_named_with_those_there_are(tree: Path) -> None:
    change_config(tree, 'board = "vps"', 'board = "toaster"')
    with pytest.raises(NixError, match=r'board "toaster" is unknown; it is one of .*x86-minipc'):
        derivation(tree, "vps")


def test_a_system_that_is_not_the_board_s_is_refused(tree: Path) -> None:
    change_config(tree, "x86_64-linux", "aarch64-linux")
    with pytest.raises(NixError, match=r'system is "aarch64-linux", but the board vps is x86_64'):
        derivation(tree, "vps")


@pytest.mark.parametrize("name", ["raspberry-pi-4", "raspberry-pi-5"])
def test_a_pi_validates_and_says_why_it_does_not_build(name: str) -> None:
    assert derivation(TOP, name, "generation")
    with pytest.raises(NixError, match="needs the Raspberry Pi's own firmware"):
        derivation(TOP, name)


def test_a_package_missing_in_the_lock_is_named_with_the_remedy(tree: Path) -> None:
    file = tree / "images/debian/lock/root-amd64.json"
    lock: dict[str, Any] = json.loads(file.read_text())
    lock["debs"] = [deb for deb in lock["debs"] if deb["name"] != "dmsetup"]
    file.write_text(json.dumps(lock))
    with pytest.raises(NixError, match=r"root-amd64.json has no package dmsetup: run ./meso lock"):
        derivation(tree, "vps")
