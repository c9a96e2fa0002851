"""Boards and the system that each one runs."""

from __future__ import annotations

from typing import Literal

Board = Literal["x86-minipc", "vps", "jetson-orin", "raspberry-pi-4", "raspberry-pi-5"]
System = Literal["x86_64-linux", "aarch64-linux"]

SYSTEM_OF: dict[str, System] = {
    "x86-minipc": "x86_64-linux",
    "vps": "x86_64-linux",
    "jetson-orin": "aarch64-linux",
    "raspberry-pi-4": "aarch64-linux",
    "raspberry-pi-5": "aarch64-linux",
}
