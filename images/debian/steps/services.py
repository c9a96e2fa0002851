"""Our own Python packages, compiled: as a layer for the image, and as files for later steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lib import tar
from lib.pyc import compiled
from lib.step import output, read_spec


@dataclass(frozen=True)
class Spec:
    """`packages`: name → source directory; `target` is the directory below / that takes them."""

    packages: dict[str, str]
    target: str
    name: str
    version: str


def main() -> None:
    """Writes meso.tar, and the same files in lib/."""
    spec, out = read_spec(Spec), output()
    entries: dict[str, tar.Entry] = {}
    for name, source in spec.packages.items():
        entries |= {one.path: one for one in tar.from_disk(Path(source), f"{spec.target}/{name}")}
    metadata = f"{spec.target}/{spec.name.replace('-', '_')}-{spec.version}.dist-info/METADATA"
    text = f"Metadata-Version: 2.1\nName: {spec.name}\nVersion: {spec.version}\n"
    entries[metadata] = tar.file(metadata, text)
    entries |= compiled(entries, workers=2)
    tar.write(out / "meso.tar", tar.with_parents(entries).values())
    for entry in entries.values():
        if entry.kind == "file":
            place = out / "lib" / entry.path.removeprefix(f"{spec.target}/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(entry.data)
