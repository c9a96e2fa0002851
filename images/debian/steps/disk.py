"""The disk image: partition table, EFI system partition, root slot A, an empty slot B, state."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import gpt, verity
from lib.step import EPOCH, fail, output, read_spec, tool, work, write_json

_EFI = {"amd64": "x64", "arm64": "aa64"}
_NAMESPACE = uuid.UUID("6d65736f-0000-4000-8000-0000000000ff")
_ESP_SERIAL = "6d65736f"
_GROWS_TO = 4 << 40  # bytes: what the state file system can grow to while mounted
_JOURNAL = 32  # MiB


@dataclass(frozen=True)
class Spec:
    """`partitions` come from images/layout.nix, in the disk's order, sizes in bytes."""

    name: str
    arch: str
    board: str
    version: str
    tries: int
    menu_seconds: int
    partitions: list[dict[str, Any]]
    root: str
    uki: str
    notices: str
    packages: list[dict[str, Any]]


def _place(spec: Spec, roothash: str) -> list[gpt.Partition]:
    """Partitions with their offsets; slot A's UUIDs are its root hash."""
    ids = dict(zip(("root-a", "verity-a"), verity.partition_ids(roothash), strict=True))
    placed, at = [], gpt.ALIGN
    for part in spec.partitions:
        name = part["name"]
        identity = ids.get(name) or str(uuid.uuid5(_NAMESPACE, name))
        label = part["label"].replace("VERSION", spec.version)
        placed.append(
            gpt.Partition(label, part["type_id"], identity, at, part["size"], part["flags"])
        )
        at += part["size"]
    return placed


def _esp(spec: Spec, disk: Path, part: gpt.Partition) -> None:
    """A FAT file system in place. The UKI's name carries its boot counter."""
    top, efi = work("esp"), _EFI[spec.arch]
    loader = f"timeout {spec.menu_seconds}\neditor no\nauto-firmware no\n"
    boot, uki = Path(spec.uki) / "systemd-boot.efi", Path(spec.uki) / "meso.efi"
    files = {
        f"EFI/BOOT/BOOT{efi.upper()}.EFI": boot,
        f"EFI/systemd/systemd-boot{efi}.efi": boot,
        f"EFI/Linux/meso_{spec.version}+{spec.tries}.efi": uki,
    }
    room, needs = part.size, 3 * uki.stat().st_size
    if needs > room:
        fail(
            f"three kernel images of {needs // 3 >> 20} MiB (two slots and an update) do not fit "
            f"in {room >> 20} MiB: raise storage.esp_size in the appliance's TOML file"
        )
    for path, source in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, top / path)
    (top / "loader").mkdir()
    (top / "loader/loader.conf").write_text(loader)
    (top / "loader/entries.srel").write_text("type1\n")
    for made in sorted(top.rglob("*"), reverse=True):
        os.utime(made, (EPOCH, EPOCH))
    fat = ("--invariant", "-F32", "-S512", "-s1", "-nESP", "-i", _ESP_SERIAL)
    tool("mkfs.vfat", *fat, f"--offset={part.offset // gpt.SECTOR}", disk, str(part.size >> 10))
    env = {"MTOOLS_SKIP_CHECK": "1", "GCONV_PATH": os.environ["GCONV"]}
    at = f"{disk}@@{part.offset}"
    tool("mcopy", "-spmQ", "-i", at, *sorted(top.iterdir()), "::", env=env)


def _state(disk: Path, part: gpt.Partition) -> None:
    """An empty ext4 of the smallest useful size, able to grow while mounted.

    The kernel keeps the share of blocks reserved for root, in whole percent, as it grows: two
    percent of this small one, rounded down twice, are one percent of the large one.
    """
    extended = (
        f"offset={part.offset},hash_seed={uuid.uuid5(_NAMESPACE, 'hash')},root_owner=0:0,"
        f"lazy_itable_init=0,resize={_GROWS_TO >> 12}"
    )
    options = (
        "-q",
        "-F",
        "-b4096",
        "-i16384",
        "-I256",
        "-m2",
        "-Lmeso-state",
        f"-Jsize={_JOURNAL}",
    )
    identity = str(uuid.uuid5(_NAMESPACE, "state-fs"))
    tool("mke2fs", "-text4", *options, "-U", identity, "-E", extended, disk, f"{part.size >> 10}k")


def _copy(source: Path, disk: Path, offset: int) -> None:
    with source.open("rb") as start, disk.open("r+b") as goal:
        at, left = offset, source.stat().st_size
        while left:
            done = os.copy_file_range(start.fileno(), goal.fileno(), left, offset_dst=at)
            at, left = at + done, left - done


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _describe(spec: Spec, placed: list[gpt.Partition], roothash: str) -> dict[str, Any]:
    parts = [
        {"name": d["name"], "label": p.label, "type": p.type, "uuid": p.id, "offset": p.offset}
        | {"size": p.size}
        for d, p in zip(spec.partitions, placed, strict=True)
    ]
    files = {"root.erofs": spec.root, "root.verity": spec.root, "meso.efi": spec.uki}
    return {
        "schema": 1,
        "name": spec.name,
        "version": spec.version,
        "arch": spec.arch,
        "board": spec.board,
        "roothash": roothash,
        "partitions": parts,
        "sha256": {name: _digest(Path(folder) / name) for name, folder in files.items()},
    }


def main() -> None:
    """Writes disk.img, image.json, packages.json and copyrights.tar.gz."""
    spec, out = read_spec(Spec), output()
    roothash = json.loads((Path(spec.root) / "root.json").read_text())["roothash"]
    placed = _place(spec, roothash)
    where = {part["name"]: one for part, one in zip(spec.partitions, placed, strict=True)}
    disk = out / "disk.img"
    with disk.open("wb") as target:
        gpt.write(target, str(uuid.uuid5(_NAMESPACE, f"{spec.name} {roothash}")), placed)
    # mke2fs flushes the whole file to the disk, so the large root comes after it.
    _esp(spec, disk, where["esp"])
    _state(disk, where["state"])
    _copy(Path(spec.root) / "root.erofs", disk, where["root-a"].offset)
    _copy(Path(spec.root) / "root.verity", disk, where["verity-a"].offset)
    if disk.stat().st_size != gpt.disk_size(placed):
        fail("a file system was made larger than its partition")
    write_json(out / "image.json", _describe(spec, placed, roothash))
    write_json(out / "packages.json", {"schema": 1, "arch": spec.arch, "packages": spec.packages})
    shutil.copyfile(Path(spec.notices) / "copyrights.tar.gz", out / "copyrights.tar.gz")
