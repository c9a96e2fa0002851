"""The disk image: partition table, EFI system partition, root slot A, an empty slot B, state.

The root and the kernel image are made here and not in steps of their own, because Nix reads and
hashes every output twice: a changed key would pay for the root's hundreds of MiB once more.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import root
import uki
from lib import erofs, gpt, verity
from lib.disk import copy_into
from lib.step import EPOCH, NAMESPACE, fail, output, read_spec, tool, work, write_json

_EFI = {"amd64": "x64", "arm64": "aa64"}
_ESP_SERIAL = "6d65736f"


@dataclass(frozen=True)
class Spec:
    """`partitions` come from images/layout.nix, in the disk's order, sizes in bytes. `root` and
    `uki` are those steps' documents, `state` and `notices` outputs of theirs.
    """

    name: str
    arch: str
    board: str
    version: str
    tries: int
    menu_seconds: int
    partitions: list[dict[str, Any]]
    root: dict[str, Any]
    uki: dict[str, Any]
    state: str
    notices: str
    packages: list[dict[str, Any]]


def _place(spec: Spec, roothash: str) -> dict[str, gpt.Partition]:
    """Partitions with their offsets, by name; slot A's UUIDs are its root hash."""
    ids = dict(zip(("root-a", "verity-a"), verity.partition_ids(roothash), strict=True))
    placed, at = {}, gpt.ALIGN
    for part in spec.partitions:
        name = part["name"]
        identity = ids.get(name) or str(uuid.uuid5(NAMESPACE, name))
        label = part["label"].replace("VERSION", spec.version)
        placed[name] = gpt.Partition(
            label, part["type_id"], identity, at, part["size"], part["flags"]
        )
        at += part["size"]
    return placed


def _esp(spec: Spec, made: Path, disk: Path, part: gpt.Partition) -> None:
    """A FAT file system in place. The UKI's name carries its boot counter."""
    top, efi = work("esp"), _EFI[spec.arch]
    loader = f"timeout {spec.menu_seconds}\neditor no\nauto-firmware no\n"
    boot, kernel = made / "systemd-boot.efi", made / "meso.efi"
    files = {
        f"EFI/BOOT/BOOT{efi.upper()}.EFI": boot,
        f"EFI/systemd/systemd-boot{efi}.efi": boot,
        f"EFI/Linux/meso_{spec.version}+{spec.tries}.efi": kernel,
    }
    room, needs = part.size, 3 * kernel.stat().st_size
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
    for one in sorted(top.rglob("*"), reverse=True):
        os.utime(one, (EPOCH, EPOCH))
    fat = ("--invariant", "-F32", "-S512", "-s1", "-nESP", "-i", _ESP_SERIAL)
    tool("mkfs.vfat", *fat, f"--offset={part.offset // gpt.SECTOR}", disk, str(part.size >> 10))
    env = {"MTOOLS_SKIP_CHECK": "1", "GCONV_PATH": os.environ["GCONV"]}
    at = f"{disk}@@{part.offset}"
    tool("mcopy", "-spmQ", "-i", at, *sorted(top.iterdir()), "::", env=env)


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _digests(files: list[Path]) -> dict[str, str]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip([one.name for one in files], pool.map(_digest, files), strict=True))


def _describe(
    spec: Spec, placed: dict[str, gpt.Partition], roothash: str, sums: dict[str, str]
) -> dict[str, Any]:
    parts = [
        {"name": name, "label": p.label, "type": p.type, "uuid": p.id, "offset": p.offset}
        | {"size": p.size}
        for name, p in placed.items()
    ]
    return {
        "schema": 1,
        "name": spec.name,
        "version": spec.version,
        "arch": spec.arch,
        "board": spec.board,
        "roothash": roothash,
        "partitions": parts,
        "sha256": sums,
    }


def _assemble(spec: Spec, made: Path, disk: Path, placed: dict[str, gpt.Partition]) -> None:
    with disk.open("wb") as target:
        identity = uuid.uuid5(NAMESPACE, f"{spec.name} {placed['root-a'].id}")
        gpt.write(target, str(identity), list(placed.values()))
    _esp(spec, made, disk, placed["esp"])
    copy_into(made / "root.erofs", disk, placed["root-a"].offset)
    copy_into(made / "root.verity", disk, placed["verity-a"].offset)
    copy_into(Path(spec.state) / "state.ext4", disk, placed["state"].offset)
    if disk.stat().st_size != gpt.disk_size(list(placed.values())):
        fail("a file system was made larger than its partition")


def main() -> None:
    """Writes disk.img, image.json, packages.json and copyrights.tar.gz."""
    spec, out, made = read_spec(Spec), output(), work("made")
    made.mkdir()
    tree = root.make(root.Spec(**spec.root), made / "root.erofs")
    (made / "root.verity").write_bytes(tree.data)
    uki.make(uki.Spec(**spec.uki), tree.root, tree.blocks, erofs.SALT.hex(), made)
    placed, disk = _place(spec, tree.root), out / "disk.img"
    _assemble(spec, made, disk, placed)
    sums = _digests([disk, *(made / name for name in ("root.erofs", "root.verity", "meso.efi"))])
    write_json(out / "image.json", _describe(spec, placed, tree.root, sums))
    write_json(out / "packages.json", {"schema": 1, "arch": spec.arch, "packages": spec.packages})
    shutil.copyfile(Path(spec.notices) / "copyrights.tar.gz", out / "copyrights.tar.gz")
