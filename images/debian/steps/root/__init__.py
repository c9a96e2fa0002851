"""The root: layers joined, the appliance's own files on top, erofs and its hash tree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import tar, verity
from lib.step import EPOCH, fail, output, read_spec, tool, work, write_json

from root import accounts, units

_SALT = bytes.fromhex("6d65736f" * 8)
_ROOT_ID = "6d65736f-0000-4000-8000-000000000001"
_VERITY_ID = "6d65736f-0000-4000-8000-000000000002"
FACTORY = "usr/share/meso/factory"


@dataclass(frozen=True)
class Spec:
    """`layers` are tar layers, lowest first; `facts` is the userland step's; sizes are in bytes.

    `links` are the overlay's symbolic links, path to target.
    """

    layers: list[str]
    facts: str
    users: str
    overlay: str
    links: dict[str, str]
    generation: str
    units: dict[str, Any]
    version: str
    root_size: int


def _release(facts: dict[str, Any], version: str) -> tar.Entry:
    text = f"{facts['os_release'].rstrip()}\nIMAGE_ID=meso\nIMAGE_VERSION={version}\n"
    return tar.file("usr/lib/os-release", text)


def _top(spec: Spec) -> dict[str, tar.Entry]:
    """Everything that is the appliance's own; the overlay's files win over generated ones."""
    facts = json.loads(Path(spec.facts).read_text())
    users = json.loads(Path(spec.users).read_text())
    made = [tar.directory(""), _release(facts, spec.version)]
    made += accounts.files(users)
    entries = {one.path: one for one in made}
    entries |= {one.path: one for one in tar.from_disk(Path(spec.generation), FACTORY)}
    entries |= {one.path: one for one in tar.from_disk(Path(spec.overlay))}
    entries |= {path: tar.link(path, target) for path, target in spec.links.items()}
    entries |= {path: tar.file(path, text) for path, text in spec.units["files"].items()}
    return entries | units.links(entries, facts["units"], spec.units)


def _pack(spec: Spec, image: Path) -> None:
    top = work("top.tar")
    tar.write(top, tar.with_parents(_top(spec)).values())
    # The number of workers is fixed: the bits must not depend on the computer.
    options = (
        "--quiet",
        "--workers=2",
        "--tar=f",
        "-zlz4",
        "-C65536",
        "-U",
        _ROOT_ID,
        f"-T{EPOCH}",
    )
    tool("mkfs.erofs", *options, image, files=[*map(Path, spec.layers), top], data=tar.END)
    size = image.stat().st_size
    if size > spec.root_size:
        fail(
            f"the root file system takes {size >> 20} MiB and its slot has "
            f"{spec.root_size >> 20} MiB: raise storage.root_size in the appliance's TOML file"
        )


def main() -> None:
    """Writes root.erofs, root.verity and root.json."""
    spec, out = read_spec(Spec), output()
    _pack(spec, out / "root.erofs")
    tree = verity.tree(out / "root.erofs", _VERITY_ID, _SALT)
    (out / "root.verity").write_bytes(tree.data)
    facts = {"blocks": tree.blocks, "salt": _SALT.hex(), "roothash": tree.root}
    write_json(out / "root.json", {"schema": 1, **facts})
