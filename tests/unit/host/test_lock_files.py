"""The committed locks: complete, agreeing with each other, and naming no host."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

from meso_host import store
from meso_host.lock import model, packages
from meso_host.lock.closure import closure
from meso_host.lock.model import DebLock, Meta, PyLock
from meso_host.lock.pip import Found, normal

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ROOT / model.LOCK_DIR
SETS = ("tools", "cross", "root-amd64", "root-arm64")


def debs(name: str) -> tuple[model.Deb, ...]:
    return model.load(LOCKS, name, DebLock).debs


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.json")), ids=lambda p: p.name)
def test_no_lock_names_a_host(path: Path) -> None:
    """Mirrors are the operator's business."""
    assert "://" not in path.read_text()


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_every_package_that_was_asked_for(name: str) -> None:
    """Nothing of packages.toml is missing from the lock, and the order is stable."""
    asked = next(s for s in packages.load(ROOT / packages.PACKAGES).sets if s.name == name)
    locked = debs(name)
    assert {p.partition(":")[0] for p in asked.packages} <= {d.name for d in locked}
    assert [(d.name, d.arch) for d in locked] == sorted((d.name, d.arch) for d in locked)


@pytest.mark.parametrize("name", SETS)
def test_a_package_can_be_fetched_and_stored(name: str) -> None:
    """Paths lie in a pool, sums are whole, names are allowed in the Nix store."""
    for deb in debs(name):
        assert deb.filename.startswith("pool/")
        assert deb.repo in ("debian", "debian-security")
        assert re.fullmatch(r"[0-9a-f]{64}", deb.sha256)
        assert re.fullmatch(r"[A-Za-z0-9+._?=-]+", deb.store_name)


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_root_has_one_kernel_and_nothing_that_raises_privilege(arch: str) -> None:
    """Privilege is systemd's business here: no sudo, no polkit, no package manager, no perl."""
    names = {d.name for d in debs(f"root-{arch}")}
    assert len([n for n in names if re.match(r"linux-image-\d", n)]) == 1
    assert not names & {
        "sudo",
        "polkitd",
        "dpkg",
        "apt",
        "perl-base",
        "perl",
        "openssh-sftp-server-x",
    }


def test_both_architectures_have_the_same_packages_in_the_same_versions() -> None:
    """But for the kernel, and libraries that only one architecture's packages need."""
    one, other = ({d.name: d.version for d in debs(f"root-{a}")} for a in ("amd64", "arm64"))
    shared = one.keys() & other.keys()
    assert len(shared) > 170
    assert {n for n in shared if one[n].partition("+b")[0] != other[n].partition("+b")[0]} == set()


def test_the_seed_is_cut_from_a_locked_package() -> None:
    """Nix unpacks busybox by itself; everything else is unpacked by busybox."""
    assert model.load(LOCKS, "meta", Meta).busybox_data.name == "busybox-data.tar.xz"
    assert [d.arch for d in debs("tools") if d.name == store.SEED] == ["amd64"]


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_every_python_package_can_be_had_for_an_architecture(arch: str) -> None:
    """A wheel for it, a wheel for any, or a source archive to build."""
    for package in model.load(LOCKS, "python", PyLock).packages:
        assert {"any", arch, "sdist"} & set(package.files), package.name


def test_the_image_runs_the_versions_that_the_tests_run() -> None:
    """What is tested on the host is what the image takes, with every file's hash allowed."""
    text = (ROOT / "requirements/dev.txt").read_text()
    tested = dict(re.findall(r"^([\w.-]+)==([\w.+]+)", text, re.MULTILINE))
    for package in model.load(LOCKS, "python", PyLock).packages:
        assert tested[normal(package.name)] == package.version
        for file in package.files.values():
            assert file.sha256 in text


def test_an_image_takes_only_its_own_files() -> None:
    """The cross-compiler and source archives are for arm64; amd64's wheels check both."""
    names = {a: {i.file.name for i in store.locked(LOCKS, a)} for a in ("amd64", "arm64")}
    assert not any("aarch64" in n or "arm64" in n or n.endswith(".tar.gz") for n in names["amd64"])
    assert any(n.startswith("hdbscan") and n.endswith(".tar.gz") for n in names["arm64"])
    assert any(n.startswith("pydantic_core") and "x86_64" in n for n in names["arm64"])


def test_everything_that_an_installed_package_needs_is_locked() -> None:
    """By the packages' own metadata, extras included, but for what packages.toml leaves out."""
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements/dev.txt").read_text(), re.M))
    omit = packages.load(ROOT / packages.PACKAGES).python.omit
    here = {normal(d.name): d for d in importlib.metadata.distributions()}
    found = {
        name: Found(name, here[name].version, "", "", tuple(here[name].requires or ()))
        for name in locked & here.keys()
    }
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*table["dependencies"], *table["optional-dependencies"]["dev"]]
    assert closure(wanted, found, [version], omit) <= locked
    assert not locked & set(omit)
