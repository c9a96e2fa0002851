"""The initial RAM disk: a static busybox, dmsetup, e2fsck, findfs, and the root's modules."""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lib import cpio, deb, tar
from lib.elf import needed
from lib.step import TRIPLET, fail, output, read_spec, tool, work

_LOADER = {
    "amd64": ("usr/lib64/ld-linux-x86-64.so.2", "ld-linux-x86-64.so.2"),
    "arm64": ("usr/lib/ld-linux-aarch64.so.1", "ld-linux-aarch64.so.1"),
}
_PROGRAMS = ("usr/sbin/dmsetup", "usr/sbin/e2fsck", "usr/sbin/findfs")
_FOLDERS = ("dev", "proc", "sys", "run", "sysroot", "tmp", "usr/lib64")
_INDEX = ("modules.dep", "modules.alias", "modules.softdep", "modules.builtin")
_DEVICES = {"dev/console": (5, 1), "dev/null": (1, 3)}


@dataclass(frozen=True)
class Spec:
    """`debs` are the packages that hold the programs and their libraries."""

    arch: str
    debs: list[str]
    kernel: str
    modules: list[str]
    init: str


def _programs(spec: Spec) -> dict[str, tar.Entry]:
    triplet = TRIPLET[spec.arch]
    have = {one.path: one for path in spec.debs for one in tar.read(deb.data(Path(path)))}
    chosen = {"bin/busybox": tar.moved(have["usr/bin/busybox"], "bin/busybox")}
    seen: set[str] = set()

    def take(path: str, place: str) -> None:
        entry = have.get(path)
        if entry is None:
            fail(f"the initial RAM disk needs /{path}, which none of its packages holds")
        while entry.kind == "link":
            entry = have[str(PurePosixPath(path).parent / entry.target)]
        chosen[place] = replace(entry, path=place, mode=0o755)
        for library in set(needed(entry.data)) - seen:
            seen.add(library)
            take(f"usr/lib/{triplet}/{library}", f"usr/lib/{triplet}/{library}")

    for program in _PROGRAMS:
        # Apart from busybox's links, some of which have the same names.
        take(program, f"usr/bin/{PurePosixPath(program).name}")
    loader, name = _LOADER[spec.arch]
    take(f"usr/lib/{triplet}/{name}", f"usr/lib/{triplet}/{name}")
    up = f"../lib/{triplet}" if "lib64" in loader else triplet
    return {**chosen, loader: tar.link(loader, f"{up}/{name}")}


def _closure(wanted: list[str], index: str) -> list[str]:
    """The wanted modules and all that they need; names that the kernel has built in are skipped."""
    depends = {
        line.partition(":")[0]: line.partition(":")[2].split() for line in index.splitlines()
    }
    by_name = {PurePosixPath(p).name.split(".ko")[0].replace("-", "_"): p for p in depends}
    todo = [by_name[n] for name in wanted if (n := name.replace("-", "_")) in by_name]
    found: set[str] = set()
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += depends[path]
    return sorted(found)


def _modules(spec: Spec) -> dict[str, tar.Entry]:
    """The modules uncompressed: busybox's modprobe reads no xz."""
    version = json.loads((Path(spec.kernel) / "kernel.json").read_text())["version"]
    have = tar.load(Path(spec.kernel) / "modules.tar")
    folder, top = f"usr/lib/modules/{version}", work("initrd")
    chosen = {}
    for path in _closure(spec.modules, bytes(have[f"{folder}/modules.dep"].data).decode()):
        plain = f"{folder}/{path.removesuffix('.xz')}"
        chosen[plain] = tar.file(plain, lzma.decompress(have[f"{folder}/{path}"].data))
    extra = {n: have[f"{folder}/{n}"].data for n in ("modules.order", "modules.builtin")}
    for path, data in [*((p, e.data) for p, e in chosen.items())] + [
        (f"{folder}/{name}", data) for name, data in extra.items()
    ]:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(data)
    (top / "lib").symlink_to("usr/lib")
    tool("depmod", "-b", top, version)
    for name in _INDEX:
        chosen[f"{folder}/{name}"] = tar.file(
            f"{folder}/{name}", (top / folder / name).read_bytes()
        )
    return chosen


def main() -> None:
    """Writes the compressed archive `initrd`."""
    spec, out = read_spec(Spec), output()
    entries = {one: tar.directory(one) for one in _FOLDERS}
    entries |= {**_programs(spec), **_modules(spec)}
    entries["init"] = tar.file("init", Path(spec.init).read_bytes(), 0o755)
    for name, target in {"lib": "usr/lib", "lib64": "usr/lib64", "sbin": "bin"}.items():
        entries[name] = tar.link(name, target)
    raw = cpio.archive(tar.with_parents(entries).values(), _DEVICES)
    tool("zstd", "-q", "-15", "--no-progress", "-o", out / "initrd", data=raw)
