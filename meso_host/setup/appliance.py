"""A look at the appliances that a command names, before anything is brought for it.

Only the standard library: a mistyped name or a broken file must not cost a download.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from meso_host.errors import HostError
from meso_host.setup import tree
from meso_services.config.read import read_source


def file_of(name: str) -> Path:
    """`configs/NAME.toml`. Raises HostError build.no_such_appliance, with the nearest name."""
    folder = tree.TOP / "configs"
    file = folder / f"{name}.toml"
    if file.is_file() and "/" not in name:
        return file
    there = sorted(path.stem for path in folder.glob("*.toml"))
    near = difflib.get_close_matches(name.removeprefix("configs/").removesuffix(".toml"), there, 1)
    nearest = f"Did you mean `{near[0]}`? " if near else ""
    raise HostError(
        "build.no_such_appliance",
        f"there is no configs/{name}.toml.",
        remedy=f"{nearest}These are there: {', '.join(there)}. Copy one of them to start with.",
    )


def look(names: Iterable[str], files: Iterable[Path] = ()) -> None:
    """Raise HostError for a name without a file, ConfigError for what is no TOML."""
    for file in [*map(file_of, names), *files]:
        read_source(file)
