"""All packages but the kernel as one layer: merged, pruned, without setuid programs, compiled.

What their maintainer scripts would have done and depends on packages alone is done here; what
depends on the appliance is done in the step `root`.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lib import deb, tar
from lib.pyc import compiled
from lib.step import TRIPLET, fail, output, read_spec, write_json

from userland import facts, postinst, setid
from userland.prune import unwanted

# A package's copyright file, or the link to another package's documentation that has it.
_NOTICE = re.compile(r"usr/share/doc/[^/]+(?:/copyright)?")


@dataclass(frozen=True)
class Spec:
    """`debs` are paths of packages, `arch` is Debian's name of the architecture."""

    arch: str
    debs: list[str]


def _merge(debs: list[str]) -> tuple[dict[str, tar.Entry], dict[str, tar.Entry]]:
    """(what is shipped, what the packages say of their licences), both by path."""
    shipped: dict[str, tar.Entry] = {}
    notices: dict[str, tar.Entry] = {}
    owner: dict[str, str] = {}
    with ThreadPoolExecutor(2) as pool:
        for name, content in zip(debs, pool.map(deb.data, map(Path, debs)), strict=True):
            for entry in tar.read(content):
                if _NOTICE.fullmatch(entry.path) and entry.kind in ("file", "link"):
                    notices[entry.path] = entry
                if not entry.path or unwanted(entry.path):
                    continue
                if entry.path in shipped and entry.kind != "dir":
                    fail(f"{name} and {owner[entry.path]} both hold /{entry.path}")
                shipped.setdefault(entry.path, entry)
                owner[entry.path] = name
    return shipped, notices


def main() -> None:
    """Writes userland.tar, notices.tar and facts.json."""
    spec, out = read_spec(Spec), output()
    shipped, notices = _merge(spec.debs)
    shipped = {path: setid.stripped(entry) for path, entry in shipped.items()}
    known = facts.gather(shipped)
    shipped = postinst.applied(shipped, TRIPLET[spec.arch])
    library = {p: e for p, e in shipped.items() if p.startswith("usr/lib/python3")}
    shipped |= compiled(library, workers=2)
    tar.write(out / "userland.tar", tar.with_parents(shipped).values())
    tar.write(out / "notices.tar", notices.values())
    write_json(out / "facts.json", known)
