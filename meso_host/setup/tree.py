"""Where the project's tree is, and where it keeps what it makes on this computer."""

from __future__ import annotations

import platform
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
STATE = TOP / ".meso"


def system_of(name: str) -> str | None:
    """The processor that `configs/NAME.toml` asks for (`x86_64`), None without such a file."""
    try:
        with (TOP / "configs" / f"{name}.toml").open("rb") as file:
            system = tomllib.load(file).get("system", "")
    except (OSError, tomllib.TOMLDecodeError):
        return None
    return str(system).partition("-")[0] or None


def processor() -> str:
    """This computer's own processor, in the same words."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
