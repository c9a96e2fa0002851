"""What later steps must know of the packages, small enough to read without the layer itself."""

from __future__ import annotations

from typing import Any

from lib.tar import Entry

UNITS = "usr/lib/systemd/system/"
_INSTALL = ("WantedBy", "RequiredBy", "Alias", "Also")


def install_section(text: str) -> dict[str, list[str]]:
    """The values of a unit's [Install] section, by key."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip()
        elif section == "[Install]" and "=" in line:
            key, _, value = line.partition("=")
            if key.strip() in _INSTALL:
                found.setdefault(key.strip(), []).extend(value.split())
    return found


def _text(entry: Entry) -> str:
    return bytes(entry.data).decode()


def gather(entries: dict[str, Entry]) -> dict[str, Any]:
    """Units with their [Install] sections, and os-release."""
    units = {
        path.removeprefix(UNITS): install_section(_text(one)) if one.kind == "file" else {}
        for path, one in entries.items()
        if path.startswith(UNITS) and path.count("/") == UNITS.count("/")
    }
    return {
        "schema": 1,
        "units": {name: value for name, value in units.items() if "." in name},
        "os_release": _text(entries["usr/lib/os-release"]),
    }
