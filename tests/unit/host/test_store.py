"""Bringing locked files: into a real Nix store of the test's own, from a mirror on loopback."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from meso_host import nix, store
from meso_host.errors import HostError
from meso_host.lock import deb, model
from meso_host.lock.model import BusyboxData, Deb, DebLock, Meta, PyFile, PyLock, PyPackage
from meso_services.runtime.process import run

ROOT = Path(__file__).resolve().parents[3]
WHEEL = b"PK\x03\x04 a wheel"
pytestmark = pytest.mark.nix


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Nix store that no other test and no image shares."""
    for name, part in (("STORE_DIR", "store"), ("STATE_DIR", "var"), ("LOG_DIR", "log")):
        monkeypatch.setenv(f"NIX_{name}", str(tmp_path / "nix" / part))
        (tmp_path / "nix" / part).mkdir(parents=True)
    return tmp_path / "nix/store"


def locked(name: str, path: str, data: bytes, version: str = "1:2~rc%3+b4") -> Deb:
    return Deb(
        name=name,
        version=version,
        arch="amd64",
        repo="debian",
        filename=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


@pytest.fixture
def lock_dir(tmp_path: Path, mirror: Any, make_deb: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small but whole lock: the seed, a package with an awkward version, a wheel."""
    seed = make_deb("busybox-static", {"control": b""}, {"usr/bin/busybox": b"\x7fELF"})
    other = make_deb("odd", {"control": b""}, {"usr/bin/odd": b"odd"}).read_bytes()
    mirror.put("debian/pool/main/b/busybox.deb", seed.read_bytes())
    mirror.put("debian/pool/main/o/odd_2+b4.deb", other)
    mirror.put("wheels/odd-1-py3-none-any.whl", WHEEL)
    tools = locked("busybox-static", "pool/main/b/busybox.deb", seed.read_bytes())
    root = locked("odd", "pool/main/o/odd_2+b4.deb", other)
    wheel = PyFile(
        filename="odd-1-py3-none-any.whl", sha256=hashlib.sha256(WHEEL).hexdigest(), size=len(WHEEL)
    )
    data = deb.member(seed, "data.tar").data
    cut = BusyboxData(name="busybox-data.tar.xz", sha256=hashlib.sha256(data).hexdigest())
    python = PyPackage(name="odd", version="1", files={"any": wheel})
    for name, value in (
        ("tools", DebLock(schema=1, arch="amd64", debs=(tools,))),
        ("root-amd64", DebLock(schema=1, arch="amd64", debs=(root,))),
        ("meta", Meta(schema=1, suite="trixie", epoch=1, busybox_data=cut)),
        ("python", PyLock(schema=1, python="3.13", packages=(python,))),
        ("models", PyLock(schema=1, python="3.13", packages=())),
    ):
        model.dump(tmp_path / "lock", name, value)
    monkeypatch.setenv("MESO_MIRROR", mirror.url)
    monkeypatch.setenv("MESO_PYPI", f"{mirror.url}/wheels")
    return tmp_path / "lock"


def contents(own_store: Path) -> set[str]:
    return {p.name.partition("-")[2] for p in own_store.iterdir() if p.name != ".links"}


@pytest.mark.parametrize("name", ["a_1.deb", "a_1-2-rc-3+b4_amd64.deb", "x=y?z._-"])
def test_a_locked_files_path_is_what_nix_says(tmp_path: Path, name: str) -> None:
    """The computed path and Nix's own must be the same, or nothing is ever found."""
    (tmp_path / name).write_bytes(name.encode())
    [path] = nix.add_fixed([tmp_path / name])
    assert nix.fixed_path(name, hashlib.sha256(name.encode()).hexdigest()) == path


def test_everything_is_brought_once(lock_dir: Path, mirror: Any, own_store: Path) -> None:
    """All files and the seed are in the store; a second time nothing is asked of the mirror."""
    said: list[store.Progress] = []
    assert store.bring(lock_dir, "amd64", said.append) == 4
    assert contents(own_store) == {
        "busybox-data.tar.xz",
        "busybox-static_1-2-rc-3+b4_amd64.deb",
        "odd_1-2-rc-3+b4_amd64.deb",
        "odd-1-py3-none-any.whl",
    }
    assert [p.percent for p in said if p.what.startswith("fetching")][-1] == 100
    asked = len(mirror.ranges)
    assert store.bring(lock_dir, "amd64", said.append) == 0
    assert len(mirror.ranges) == asked


def test_a_superseded_package_says_to_update_the_lock(
    lock_dir: Path, mirror: Any, own_store: Path
) -> None:
    """The mirror has a newer version only: the error names the package and the command."""
    (mirror.root / "debian/pool/main/o/odd_2+b4.deb").unlink()
    with pytest.raises(HostError, match="odd 1:2~rc%3") as caught:
        store.bring(lock_dir, "amd64", lambda _: None)
    assert caught.value.code == "mirror.lacks"
    assert "./meso lock --update" in caught.value.remedy
    assert contents(own_store) == set()


def test_a_file_that_the_index_lacks_is_named(lock_dir: Path, mirror: Any) -> None:
    """A withdrawn wheel is no network problem."""
    (mirror.root / "wheels/odd-1-py3-none-any.whl").unlink()
    with pytest.raises(HostError, match=r"odd-1-py3-none-any\.whl") as caught:
        store.bring(lock_dir, "amd64", lambda _: None)
    assert caught.value.code == "index.lacks"


def test_a_run_that_failed_is_continued(lock_dir: Path, mirror: Any, own_store: Path) -> None:
    """What came before the failure is not fetched again."""
    wheel = mirror.root / "wheels/odd-1-py3-none-any.whl"
    wheel.rename(mirror.root / "aside")
    with pytest.raises(HostError):
        store.bring(lock_dir, "amd64", lambda _: None)
    asked = len(mirror.ranges)
    (mirror.root / "aside").rename(wheel)
    assert store.bring(lock_dir, "amd64", lambda _: None) == 4
    assert len(mirror.ranges) == asked + 1


def test_one_set_is_brought_alone(lock_dir: Path, own_store: Path) -> None:
    """The tests' own programs are locked too, and are no part of an image."""
    assert store.bring_set(lock_dir, "root-amd64", lambda _: None) == 1
    assert contents(own_store) == {"odd_1-2-rc-3+b4_amd64.deb"}
    assert store.bring_set(lock_dir, "root-amd64", lambda _: None) == 0


def test_a_set_that_is_not_locked_is_named(lock_dir: Path) -> None:
    """Another architecture's lock file is missing here."""
    with pytest.raises(HostError, match=r"cross\.json is missing|root-arm64\.json is missing"):
        store.bring(lock_dir, "arm64", lambda _: None)


def test_a_host_without_nix_is_told_which_package(
    lock_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is fetched for a build that cannot run."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HostError, match="no nix") as caught:
        store.bring(lock_dir, "amd64", lambda _: None)
    assert caught.value.code == "nix.missing"
    assert "nix-bin" in caught.value.remedy


FETCH = """
(import {root}/images/debian/fetch.nix {{ mirror = "{mirror}"; pypi = "{mirror}/wheels"; }})
  .deb (builtins.head (builtins.fromJSON (builtins.readFile {lock}/root-amd64.json)).debs)
"""


@pytest.mark.skipif(
    not (ROOT / "images/debian/fetch.nix").exists(), reason="the engine is not in this tree"
)
def test_nix_fetches_by_itself_on_a_host_without_apt(
    lock_dir: Path, mirror: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's derivation takes the package from the operator's mirror, and checks it."""
    expression = FETCH.format(root=ROOT, mirror=mirror.url, lock=lock_dir)
    argv = ["nix-build", "--no-out-link", "-E", expression]
    built = Path(run(argv, env=nix.environment()).stdout.strip())
    [package] = model.load(lock_dir, "root-amd64", DebLock).debs
    assert str(built) == store.of_deb(package).path
    assert hashlib.sha256(built.read_bytes()).hexdigest() == package.sha256
    assert mirror.ranges == [""]
