"""The licence texts of everything in the image, in one archive that stays outside the root."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from lib import tar
from lib.step import output, read_spec


@dataclass(frozen=True)
class Spec:
    """`layers` are tar layers of licence texts."""

    layers: list[str]


def main() -> None:
    """Writes copyrights.tar.gz, which `./meso sbom` reads with nothing but Python."""
    spec, out = read_spec(Spec), output()
    joined = b"".join(Path(layer).read_bytes() for layer in spec.layers) + tar.END
    (out / "copyrights.tar.gz").write_bytes(gzip.compress(joined, 9, mtime=0))
