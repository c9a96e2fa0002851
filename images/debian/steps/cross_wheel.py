"""A wheel for arm64 from a source archive that carries generated C, compiled on amd64.

For packages that publish no arm64 wheel. No build backend runs: the extension modules are the C
files beside the Python sources, and the metadata is the archive's own.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lib.step import fail, output, read_spec, tool, work

_TRIPLET = "aarch64-linux-gnu"
_SUFFIX = f".cpython-313-{_TRIPLET}.so"
# -O1 compiles in half of the time of -O2. Fused multiply-add is off, so that results are those of
# the amd64 wheel to the last bit. Without outlined atomics no helper of libgcc is needed.
_FLAGS = (
    *("-O1", "-fPIC", "-shared", "-fwrapv", "-w", "-ffp-contract=off", "-mno-outline-atomics"),
    "-Wl,-O1,-z,relro,-s",
)
_STAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Spec:
    """`sdist` is the source archive, `compiler` an unpacked cross-compiler, `numpy` a wheel."""

    name: str
    version: str
    sdist: str
    compiler: str
    numpy: str


def _sources(spec: Spec) -> dict[str, bytes]:
    """The archive's files below its one top directory."""
    found = {}
    with tarfile.open(spec.sdist) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content:
                found[member.name.partition("/")[2]] = content.read()
    return found


def _headers(wheel: str, into: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        wanted = [name for name in archive.namelist() if "/_core/include/" in name]
        archive.extractall(into, wanted)  # noqa: S202 (a locked wheel)
    return into / "numpy/_core/include"


def _compile(spec: Spec, source: Path, includes: list[Path]) -> bytes:
    made = source.with_suffix(".so")
    top = Path(spec.compiler)
    flags = [*_FLAGS, f"--sysroot={top}", *(f"-I{path}" for path in includes)]
    tool(top / f"usr/bin/{_TRIPLET}-gcc", *flags, "-o", made, source, "-lm")
    return made.read_bytes()


def _extensions(spec: Spec, sources: dict[str, bytes]) -> dict[str, bytes]:
    """Path in the wheel → shared object, for every C file that has a .pyx beside it."""
    include = Path(spec.compiler) / "usr/include"
    includes = [_headers(spec.numpy, work("numpy")), include / "python3.13", include]
    names = [n for n in sources if n.endswith(".c") and n.removesuffix(".c") + ".pyx" in sources]
    if not names:
        fail(f"{Path(spec.sdist).name} carries no generated C")
    for name in names:
        place = work("source") / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(sources[name])
    names.sort(key=lambda name: -len(sources[name]))
    os.chdir(work("source"))  # no path of this build in the objects
    with ThreadPoolExecutor(2) as pool:
        objects = pool.map(lambda name: _compile(spec, Path(name), includes), names)
        made = [name.removesuffix(".c") + _SUFFIX for name in names]
        return dict(zip(made, objects, strict=True))


def _metadata(spec: Spec, sources: dict[str, bytes]) -> dict[str, bytes]:
    folder = f"{spec.name}-{spec.version}.dist-info"
    tag = f"cp313-cp313-linux_{_TRIPLET.partition('-')[0]}"
    wheel = f"Wheel-Version: 1.0\nGenerator: meso\nRoot-Is-Purelib: false\nTag: {tag}\n"
    texts = {f"{folder}/METADATA": sources["PKG-INFO"], f"{folder}/WHEEL": wheel.encode()}
    licences = [name for name in sources if name in ("LICENSE", "LICENSE.txt", "COPYING")]
    return texts | {f"{folder}/licenses/{name}": sources[name] for name in licences}


def main() -> None:
    """Writes NAME.whl, the same bytes every time."""
    spec, out = read_spec(Spec), output()
    sources = _sources(spec)
    packages = {PurePosixPath(n).parts[0] for n in sources if n.endswith("/__init__.py")}
    files = {
        name: content
        for name, content in sources.items()
        if name.endswith(".py") and PurePosixPath(name).parts[0] in packages and "/" in name
    }
    files |= _extensions(spec, sources) | _metadata(spec, sources)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as wheel:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, _STAMP)
            info.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            wheel.writestr(info, content)
    (out / f"{spec.name}.whl").write_bytes(archive.getvalue())
