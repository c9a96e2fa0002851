"""Which units start: links in /etc/systemd/system, as `systemctl enable` and `mask` make them."""

from __future__ import annotations

import re
from typing import Any

from lib.step import fail
from lib.tar import Entry, link
from userland.facts import UNITS, install_section

_ETC = "etc/systemd/system"


def _own(entries: dict[str, Entry]) -> dict[str, dict[str, list[str]]]:
    """The units among the appliance's own files, with their [Install] sections."""
    return {
        path.removeprefix(UNITS): install_section(bytes(one.data).decode())
        for path, one in entries.items()
        if path.startswith(UNITS) and path.count("/") == UNITS.count("/")
    }


def _enabled(name: str, known: dict[str, dict[str, list[str]]], done: dict[str, Entry]) -> None:
    template = name if name in known else re.sub(r"@[^.]*\.", "@.", name)
    if template not in known:
        fail(f"unit {name} is to be enabled, but neither a package nor modules/ has it")
    install = known[template]
    if not install:
        fail(f"unit {name} is to be enabled, but has no [Install] section")
    for key, folder in (("WantedBy", "wants"), ("RequiredBy", "requires")):
        for target in install.get(key, []):
            path = f"{_ETC}/{target}.{folder}/{name}"
            done[path] = link(path, f"/{UNITS}{template}")
    for alias in install.get("Alias", []):
        done[f"{_ETC}/{alias}"] = link(f"{_ETC}/{alias}", f"/{UNITS}{template}")
    for other in install.get("Also", []):
        if other in known and known[other] and not _has(done, other):
            _enabled(other, known, done)


def _has(done: dict[str, Entry], name: str) -> bool:
    return any(path.endswith(f"/{name}") for path in done)


def links(
    entries: dict[str, Entry],
    packaged: dict[str, dict[str, list[str]]],
    wanted: dict[str, Any],
) -> dict[str, Entry]:
    """The links for `wanted["enable"]` and `wanted["mask"]`, by path."""
    known = {**packaged, **_own(entries)}
    done: dict[str, Entry] = {}
    for name in wanted["enable"]:
        _enabled(name, known, done)
    for name in wanted["mask"]:
        done[f"{_ETC}/{name}"] = link(f"{_ETC}/{name}", "/dev/null")
    return done
