"""What `meso config` does, once its arguments are known."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meso_cli.output import CliError, Output
from meso_cli.verbs.config import path_of
from meso_services.config import diff as differences
from meso_services.config.advice import advise
from meso_services.config.appliance import Appliance
from meso_services.config.load import load
from meso_services.config.mistakes import ConfigError
from meso_services.config.reference import updated
from meso_services.config.render import render as render_files
from meso_services.config.schema import schema as json_schema
from meso_services.runtime.sizes import format_size

TOP = Path(__file__).resolve().parents[1]
CONFIGS = TOP / "configs"
SCHEMA_FILE = TOP / "docs/meso-config.schema.json"
REFERENCE_FILE = TOP / "docs/configuration.md"


def check(names: Sequence[str], output: Output) -> int:
    """Say of each file that it is good, or all that is wrong with it."""
    paths = [path_of(name) for name in names] or _all()
    outcomes = [_checked(path) for path in paths]
    failed = [outcome for outcome in outcomes if isinstance(outcome[1], ConfigError)]
    files = [_as_json(path, outcome) for path, outcome in outcomes]
    lines = [_summary(path, o) for path, o in outcomes if isinstance(o, Appliance)]
    for _, error in failed:
        sys.stderr.write(f"{error}\n")
    for path, outcome in outcomes:
        for word in advise(outcome) if isinstance(outcome, Appliance) else ():
            sys.stderr.write(f"{path}: warning: {word}\n")
    if output.json or lines:
        output.result({"ok": not failed, "files": files}, "\n".join(lines))
    return 1 if failed else 0


def diff(old: str, new: str, output: Output) -> int:
    """Print what differs, one line a key."""
    changes = differences.diff(load(path_of(old)), load(path_of(new)))
    lines = [
        f"{change.key}: {_short(change.old)} -> {_short(change.new)}   ({change.mechanism})"
        for change in changes
    ]
    data = [
        {
            "key": change.key,
            "old": change.old,
            "new": change.new,
            "scope": change.scope,
            "mechanism": change.mechanism,
        }
        for change in changes
    ]
    output.result({"changes": data}, "\n".join(lines) or "no difference")
    return 0


def render(name: str, out: Path | None, output: Output) -> int:
    """Print the rendered files, or write them below `out`."""
    files = render_files(load(path_of(name)))
    if out is None:
        text = "\n".join(f"==> {path} <==\n{content}" for path, content in sorted(files.items()))
        output.result({"files": files}, text.rstrip("\n"))
        return 0
    if out.exists():
        raise CliError(
            "config.out_exists", f"{out} exists already.", hint="Remove it, or name another --out."
        )
    for path, content in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(content)
    output.result({"out": str(out), "files": sorted(files)}, str(out))
    return 0


def schema(write: bool, output: Output) -> int:
    """Print the schema, or bring docs/ up to date."""
    if not write:
        output.result(json_schema())
        return 0
    SCHEMA_FILE.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    REFERENCE_FILE.write_text(updated(REFERENCE_FILE.read_text()))
    written = [str(path.relative_to(TOP)) for path in (SCHEMA_FILE, REFERENCE_FILE)]
    output.result({"written": written}, "\n".join(written))
    return 0


def _all() -> list[Path]:
    return [path_of(path.stem) for path in sorted(CONFIGS.glob("*.toml"))]


def _checked(path: Path) -> tuple[Path, Appliance | ConfigError]:
    try:
        return path, load(path)
    except ConfigError as error:
        return path, error


def _as_json(path: Path, outcome: Appliance | ConfigError) -> dict[str, Any]:
    mistakes = outcome.mistakes if isinstance(outcome, ConfigError) else []
    return {
        "file": str(path),
        "ok": not mistakes,
        "mistakes": [mistake.as_json() for mistake in mistakes],
        "warnings": list(advise(outcome)) if isinstance(outcome, Appliance) else [],
    }


def _summary(path: Path, appliance: Appliance) -> str:
    keys = sum(len(keys) for keys in appliance.users.keys().values())
    ssh = f"{keys} SSH key{'s' * (keys != 1)}" if keys else "no SSH key: nobody logs in"
    disk = format_size(appliance.storage.needed())
    what = f"{appliance.hostname} on {appliance.board} ({appliance.system})"
    return f"{path}: ok   {what}, {ssh}, disk of at least {disk}"


def _short(value: Any) -> str:
    return "(absent)" if value is None else json.dumps(value, ensure_ascii=False)
