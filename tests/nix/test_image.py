"""What the build writes, judged by the official programs for each format.

The judges are locked packages too (images/debian/lock/checks.json), so the host needs none.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from meso_host import build, nix, store
from meso_services.runtime import process

from .conftest import TOP

pytestmark = [pytest.mark.nix, pytest.mark.timeout(900)]

NAME = "vps"
MIB = 1 << 20


def part(name: str) -> Path:
    """A part of the image, from the store (the whole image is built already)."""
    argv = ["nix-build", str(TOP / "images"), "--argstr", "name", NAME, "-A", name]
    done = process.run([*argv, "--no-out-link"], env=nix.environment(), cwd=TOP)
    return Path(done.stdout.strip())


@dataclass(frozen=True)
class Judges:
    """Runs an official program; `run` fails the test unless it is content."""

    folders: tuple[Path, ...]
    libraries: str

    def run(self, program: str, *words: str | Path, data: bytes | None = None) -> str:
        found = next(f / program for f in self.folders if (f / program).exists())
        done = subprocess.run(
            [found, *map(str, words)],
            env={**os.environ, "LD_LIBRARY_PATH": self.libraries, "LC_ALL": "C.UTF-8"},
            input=data,
            capture_output=True,
            check=False,
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == 0, f"{program} {words}: {said}"
        return said


@pytest.fixture(scope="module")
def image() -> Path:
    return build.build(NAME)


@pytest.fixture(scope="module")
def facts(image: Path) -> dict[str, Any]:
    return dict(json.loads((image / "image.json").read_text()))


@pytest.fixture(scope="module")
def judges(image: Path) -> Judges:
    store.bring_set(build.locks(), "checks", lambda _: None)
    tops = [part(name) for name in ("judges", "tools", "interpreter")]
    folders = tuple(top / "usr" / kind for top in tops for kind in ("bin", "sbin"))
    libraries = ":".join(str(top / "usr/lib/x86_64-linux-gnu") for top in reversed(tops))
    return Judges(folders, libraries)


Cut = Callable[[str], Path]


@pytest.fixture
def cut(image: Path, facts: dict[str, Any], tmp_path: Path) -> Cut:
    """Copies one partition out of the disk."""

    def made(name: str) -> Path:
        (found,) = [one for one in facts["partitions"] if one["name"] == name]
        target = tmp_path / name
        with (image / "disk.img").open("rb") as disk:
            disk.seek(found["offset"])
            target.write_bytes(disk.read(found["size"]))
        return target

    return made


def test_sfdisk_finds_both_tables_whole_and_as_image_json_says(
    image: Path, facts: dict[str, Any], judges: Judges
) -> None:
    said = judges.run("sfdisk", "--verify", image / "disk.img")
    assert "No errors detected" in said
    table = json.loads(judges.run("sfdisk", "--json", image / "disk.img"))["partitiontable"]
    found = [
        (p["name"], p["type"].lower(), p["uuid"].lower(), p["start"] * 512, p["size"] * 512)
        for p in table["partitions"]
    ]
    assert found == [
        (p["label"], p["type"], p["uuid"], p["offset"], p["size"]) for p in facts["partitions"]
    ]


def test_veritysetup_verifies_the_root_by_its_hash(facts: dict[str, Any], judges: Judges) -> None:
    root = part("root")
    judges.run(
        "veritysetup", "verify", root / "root.erofs", root / "root.verity", facts["roothash"]
    )


def test_veritysetup_makes_the_same_tree(
    facts: dict[str, Any], judges: Judges, tmp_path: Path
) -> None:
    root, made = part("root"), tmp_path / "tree"
    known = json.loads((root / "root.json").read_text())
    uuid = "6d65736f-0000-4000-8000-000000000002"
    words = [f"--salt={known['salt']}", f"--uuid={uuid}", root / "root.erofs", made]
    said = judges.run("veritysetup", "format", *words)
    assert facts["roothash"] in said
    assert made.read_bytes() == (root / "root.verity").read_bytes()


def test_the_slot_holds_the_root_and_its_uuids_are_the_root_hash(
    facts: dict[str, Any], cut: Cut
) -> None:
    root = (part("root") / "root.erofs").read_bytes()
    assert cut("root-a").read_bytes().startswith(root)
    ids = {p["name"]: p["uuid"].replace("-", "") for p in facts["partitions"]}
    assert ids["root-a"] + ids["verity-a"] == facts["roothash"]


def test_image_json_has_the_digests_of_the_disk_and_its_parts(
    image: Path, facts: dict[str, Any]
) -> None:
    root = part("root")
    files = (
        image / "disk.img",
        root / "root.erofs",
        root / "root.verity",
        part("uki") / "meso.efi",
    )
    for file in files:
        with file.open("rb") as source:
            found = hashlib.file_digest(source, "sha256").hexdigest()
        assert facts["sha256"][file.name] == found


def test_only_the_appliance_s_own_blocks_are_written_anew() -> None:
    """What no key changes is packed once; the root adds to it."""
    with (
        (part("base") / "base.erofs").open("rb") as one,
        (part("root") / "root.erofs").open("rb") as other,
    ):
        same = [
            a == b
            for a, b in zip(
                iter(lambda: one.read(4096), b""), iter(lambda: other.read(4096), b""), strict=False
            )
        ]
    assert same.count(False) < len(same) // 100


def test_fsck_finds_nothing_to_repair(cut: Cut, judges: Judges) -> None:
    judges.run("fsck.erofs", part("root") / "root.erofs")
    judges.run("fsck.vfat", "-n", cut("esp"))
    judges.run("e2fsck", "-f", "-n", cut("state"))


def test_the_state_can_grow_to_terabytes_while_mounted(cut: Cut, judges: Judges) -> None:
    said = judges.run("dumpe2fs", "-h", cut("state"))
    fields = {k.strip(): v.strip() for k, _, v in (li.partition(":") for li in said.splitlines())}
    assert "resize_inode" in fields["Filesystem features"]
    assert fields["Block size"] == "4096"
    # Each reserved block describes 64 groups of 128 MiB.
    assert (int(fields["Reserved GDT blocks"]) + 1) * 64 * 128 * MIB >= 4 << 40


def test_ukify_reads_the_kernel_image_and_its_command_line_names_the_root(
    facts: dict[str, Any], judges: Judges
) -> None:
    uki = part("uki") / "meso.efi"
    top = part("judges")
    ukify = [str(top / "usr/bin/python3.13"), str(top / "usr/bin/ukify")]
    env = {"LD_LIBRARY_PATH": judges.libraries}
    said = process.run([*ukify, "--json=short", "inspect", str(uki)], env=env).stdout
    sections = json.loads(said)
    assert f"roothash={facts['roothash']} " in sections[".cmdline"]["text"]
    assert sections[".linux"]["size"] == (part("kernel") / "vmlinuz").stat().st_size
    assert sections[".initrd"]["size"] == (part("initrd") / "initrd").stat().st_size


def test_objdump_finds_the_sections_apart_from_each_other(judges: Judges) -> None:
    said = judges.run("objdump", "-h", part("uki") / "meso.efi")
    rows = [
        line.split() for line in said.splitlines() if line.split()[:1] and line.split()[0].isdigit()
    ]
    places = sorted((int(row[3], 16), int(row[2], 16)) for row in rows)
    assert len(places) >= 8
    assert all(a + size <= b for (a, size), (b, _) in pairwise(places))


def test_cpio_lists_the_initial_ram_disk(judges: Judges) -> None:
    raw = subprocess.run(
        [part("tools") / "usr/bin/zstd", "-dc", part("initrd") / "initrd"],
        env={"LD_LIBRARY_PATH": judges.libraries},
        capture_output=True,
        check=True,
    ).stdout
    names = judges.run("cpio", "--list", "--quiet", data=raw).split()
    assert {"init", "bin/busybox", "usr/bin/dmsetup", "usr/bin/e2fsck", "dev/console"} <= set(names)
    assert any(name.endswith("/erofs.ko") for name in names)


@pytest.fixture(scope="module")
def root(judges: Judges, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system, unpacked with its modes."""
    top = tmp_path_factory.mktemp("root") / "root"
    judges.run("fsck.erofs", f"--extract={top}", "--preserve-perms", part("root") / "root.erofs")
    return top


def files(top: Path) -> list[Path]:
    return [path for path in top.rglob("*") if not path.is_symlink() and path.is_file()]


def test_no_program_runs_with_more_rights_than_its_caller(root: Path) -> None:
    bits = stat.S_ISUID | stat.S_ISGID
    assert [str(path) for path in files(root) if path.stat().st_mode & bits] == []


def test_later_layers_win_and_the_overlay_wins_over_packages(root: Path) -> None:
    overlay = TOP / "images/debian/overlay"
    for source in overlay.rglob("*"):
        target = root / source.relative_to(overlay)
        if source.is_file():
            assert target.read_bytes() == source.read_bytes()
    links = tomllib.loads((TOP / "images/debian/links.toml").read_text())["links"]
    assert {path: str((root / path).readlink()) for path in links} == links


def test_the_tree_has_no_links_that_a_copy_could_turn_into_files() -> None:
    """images/debian/links.toml has them; a link that became a file ends without a line feed."""
    for source in (TOP / "images/debian/overlay").rglob("*"):
        assert not source.is_symlink(), source
        if source.is_file():
            assert (source.read_bytes() or b"\n").endswith(b"\n"), source


def test_every_module_of_ours_is_there_compiled(root: Path) -> None:
    library = root / "usr/local/lib/python3.13/dist-packages"
    for package in ("meso_services", "meso_cli"):
        for source in (TOP / package).rglob("*.py"):
            target = library / source.relative_to(TOP)
            assert target.read_bytes() == source.read_bytes()
            assert (target.parent / "__pycache__" / f"{target.stem}.cpython-313.pyc").exists()
    assert not (library / "meso_host").exists()


def test_the_factory_generation_is_this_appliance_s(root: Path) -> None:
    manifest = json.loads((root / "usr/share/meso/factory/manifest.json").read_text())
    assert manifest["name"] == NAME


def test_the_root_keeps_its_goal_of_320_mib(image: Path) -> None:
    assert (part("root") / "root.erofs").stat().st_size <= 320 * MIB
