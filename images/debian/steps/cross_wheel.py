"""A wheel for arm64 from a source archive that carries generated C, compiled on amd64.

For packages that publish no arm64 wheel. No build backend runs: the extension modules are the C
files beside the Python sources, and the metadata is the archive's own.
"""

from __future__ import annotations

import io
import os
import re
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
_FLAGS = ("-fPIC", "-fwrapv", "-w", "-ffp-contract=off", "-mno-outline-atomics")
_LINK = ("-shared", "-O1", "-z", "relro", "-s", "--build-id=none", "--hash-style=gnu")
# Cython writes the same memory-view class, module set-up and helpers around every module's own
# code, several times as long as that. They run once, or call Python: optimising them takes half of
# the compiler's time and gains nothing that could be measured.
_PLAIN = '\n#pragma GCC push_options\n#pragma GCC optimize("O0")\n'
_OWN = re.compile(r'^/\* "[\w/]+\.pyx":\d+', re.MULTILINE)
_CODE = "/* #### Code section: module_code ### */"
_REST = "/* #### Code section: module_exttypes ### */"
_STAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Spec:
    """`sdist` is the source archive, `compiler` an unpacked cross-compiler, `numpy` a wheel.

    `plain` are modules that work on Python's objects and gain nothing from being optimised.
    """

    name: str
    version: str
    sdist: str
    compiler: str
    numpy: str
    plain: list[str]


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


def _quick(text: str) -> str:
    """Generated C whose boilerplate is not optimised; what has no such sections is left alone."""
    start, end = text.find(_CODE), text.find(_REST)
    own = _OWN.search(text, start) if 0 <= start < end else None
    if own is None or own.start() > end:
        return text
    before, middle = text[start : own.start()], text[own.start() : end]
    whole = f"{_PLAIN}{before}\n#pragma GCC pop_options\n{middle}{_PLAIN}{text[end:]}"
    return text[:start] + whole


def _compile(spec: Spec, source: Path, includes: list[Path]) -> bytes:
    """The compiler proper, the assembler and the linker, one after another.

    Their usual driver would bring tens of MiB for other languages and for whole-program
    optimisation. A module of Python needs none of the start-up files that it would add.
    """
    programs = Path(spec.compiler) / "usr"
    compiler = programs / f"libexec/gcc-cross/{_TRIPLET}/14/cc1"
    if source.stem in spec.plain:
        level = "-O0"
    else:
        level = "-O1"
        source.write_text(_quick(source.read_text()))
    made = {kind: source.with_suffix(f".{kind}") for kind in ("s", "o", "so")}
    folders = [word for path in includes for word in ("-isystem", path)]
    tool(compiler, "-quiet", level, *_FLAGS, *folders, source, "-o", made["s"])
    tool(programs / f"bin/{_TRIPLET}-as", "-o", made["o"], made["s"])
    libraries = programs / f"{_TRIPLET}/lib"
    needed = (f"{libraries}/libm.so.6", f"{libraries}/libc.so.6")
    tool(programs / f"bin/{_TRIPLET}-ld", *_LINK, "-o", made["so"], made["o"], *needed)
    return made["so"].read_bytes()


def _extensions(spec: Spec, sources: dict[str, bytes]) -> dict[str, bytes]:
    """Path in the wheel → shared object, for every C file that has a .pyx beside it."""
    top = Path(spec.compiler) / "usr"
    includes = [_headers(spec.numpy, work("numpy"))]
    includes += [top / "include/python3.13", top / "include"]
    includes += [top / f"lib/gcc-cross/{_TRIPLET}/14/include", top / f"{_TRIPLET}/include"]
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
