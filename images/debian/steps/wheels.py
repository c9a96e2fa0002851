"""Python wheels as a layer: pruned, compiled, with the metadata that importlib.metadata reads."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lib import tar
from lib.pyc import compiled
from lib.step import fail, output, read_spec

# What no import needs: tests and their data, sources of extension modules, type stubs of others.
_UNWANTED = re.compile(
    r"(?:^|.*/)(?:tests?|test_data|testing/data|_examples|benchmarks?|include|conftest\.py)(?:/|$)"
    r"|.*\.(?:pyx|pxd|pxi|c|cpp|h|hpp|f|f90|a|lib|pyi|in|build|js\.map)$"
    r"|.*\.dist-info/(?:RECORD|INSTALLER|direct_url\.json|sboms/|licenses?/|LICEN[CS]E|COPYING)"
    r"|sklearn/datasets/(?:data|images|descr)/|scipy/datasets/"
)
# Packages whose own modules have such a name, or that import their tests' helpers.
_WANTED = re.compile(r"numpy/(?:testing/|_core/tests/_natype\.py)|scipy/_lib/_testutils\.py")
# METADATA declares the licence, for the bill of materials.
_NOTICE = re.compile(
    r".*\.dist-info/(?:METADATA|(?:.*/)?(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)$"
)
_DATA = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")


@dataclass(frozen=True)
class Spec:
    """`wheels` are paths of wheels, `target` is the directory below / that takes them.

    With `tree`, they are also unpacked as plain files, for steps that import them.
    """

    wheels: list[str]
    target: str
    tree: bool


def _contents(wheel: str) -> dict[str, tuple[bytes, int]]:
    """A wheel's files by path inside site-packages, with their modes."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            path = _DATA.sub("", info.filename)
            if ".data/" not in path:  # scripts and headers
                found[path] = (archive.read(info), info.external_attr >> 16)
    return found


def _kept(path: str) -> bool:
    return bool(_WANTED.match(path)) or not _UNWANTED.match(path)


def _unpack(top: Path, entries: dict[str, tar.Entry], prefix: str) -> None:
    for path, entry in entries.items():
        if entry.kind == "file":
            place = top / path.removeprefix(prefix)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(entry.data)


def main() -> None:
    """Writes python.tar and notices.tar, or with `tree` the files themselves in lib/."""
    spec, out = read_spec(Spec), output()
    shipped: dict[str, tar.Entry] = {}
    notices: dict[str, tar.Entry] = {}
    for wheel in spec.wheels:
        for path, (content, mode) in _contents(wheel).items():
            if _NOTICE.match(path):
                notices[path] = tar.file(f"usr/share/doc/python/{path}", content)
            if not _kept(path):
                continue
            full = f"{spec.target}/{path}"
            if full in shipped and bytes(shipped[full].data) != content:
                fail(f"two wheels hold {path} ({wheel})")
            shipped[full] = tar.file(full, content, 0o755 if mode & 0o100 else 0o644)
    shipped |= compiled(shipped, workers=2)
    if spec.tree:
        _unpack(out / "lib", shipped, f"{spec.target}/")
        return
    tar.write(out / "python.tar", tar.with_parents(shipped).values())
    tar.write(out / "notices.tar", notices.values())
