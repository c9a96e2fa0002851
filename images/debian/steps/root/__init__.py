"""The root: the base with the appliance's own files on top, and its hash tree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import erofs, tar, verity
from lib.disk import copy_into
from lib.step import fail, output, read_spec, work, write_json

from root import accounts, units

FACTORY = "usr/share/meso/factory"


@dataclass(frozen=True)
class Spec:
    """`base` is that step's output, `facts` the userland step's; `layers` are tar layers over the
    base, lowest first. `links` are the overlay's symbolic links, path to target. Sizes are in
    bytes.
    """

    base: str
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
    image.touch()
    copy_into(Path(spec.base) / "base.erofs", image)
    erofs.pack(image, [*map(Path, spec.layers), top], onto=True)
    size = image.stat().st_size
    if size > spec.root_size:
        fail(
            f"the root file system takes {size >> 20} MiB and its slot has "
            f"{spec.root_size >> 20} MiB: raise storage.root_size in the appliance's TOML file"
        )


def make(spec: Spec, image: Path) -> verity.Tree:
    """Writes the root file system; its hash tree."""
    _pack(spec, image)
    base = Path(spec.base)
    known = verity.Known(base / "base.erofs", (base / "base.digests").read_bytes())
    with image.open("rb") as made:
        return verity.tree(made, erofs.VERITY_ID, erofs.SALT, known)


def main() -> None:
    """The root alone, for who wants to look at it: the image's step makes its own."""
    spec, out = read_spec(Spec), output()
    tree = make(spec, out / "root.erofs")
    (out / "root.verity").write_bytes(tree.data)
    facts = {"schema": 1, "blocks": tree.blocks, "salt": erofs.SALT.hex(), "roothash": tree.root}
    write_json(out / "root.json", facts)
