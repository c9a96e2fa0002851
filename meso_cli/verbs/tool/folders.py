"""Custom tools on the operator's computer: begin one, and run its test in a sandbox."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

from meso_cli.output import CliError, Output
from meso_cli.terminal import printable
from meso_services.tool_executor.custom import Case, CustomTool, FolderError, load_one
from meso_services.tool_executor.testing import run_case

_PROGRAM = '''#!/usr/bin/python3
"""Counts the words of a file. Parameters come as JSON on stdin; the result goes to stdout."""

import json
import sys
from pathlib import Path

params = json.load(sys.stdin)
text = Path(params["path"]).read_text()
print(json.dumps({"words": len(text.split())}))
'''
_SCHEMA = {
    "type": "object",
    "description": "Count the words of a file in the workspace.",
    "properties": {"path": {"type": "string", "description": "within the workspace"}},
    "required": ["path"],
    "additionalProperties": False,
}
_TEST = [
    {
        "params": {"path": "a.txt"},
        "files": {"a.txt": "one two\nthree\n"},
        "expect": {"exit_code": 0, "output": {"words": 3}},
    }
]


def new(folder: Path, output: Output) -> int:
    """Write a tool that works, to be changed."""
    if folder.exists():
        raise CliError("tool.exists", f"{folder} is there already.")
    folder.mkdir(parents=True)
    (folder / "run.py").write_text(_PROGRAM)
    (folder / "run.py").chmod(0o755)
    for name, value in (("schema.json", _SCHEMA), ("test.json", _TEST)):
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")
    output.result({"folder": str(folder)}, f"{folder}: run.py, schema.json, test.json")
    return 0


def test(folder: Path, output: Output) -> int:
    """Run each case of a tool's test; 1 if one fails."""
    tool = _load(folder)
    outcomes = [(number, _one(tool, case)) for number, case in enumerate(tool.cases, start=1)]
    data = [{"case": number, "ok": not wrong, "problem": wrong} for number, wrong in outcomes]
    texts = [f"case {n}: {printable(wrong) if wrong else 'ok'}" for n, wrong in outcomes]
    output.result({"tool": tool.name, "cases": data}, "\n".join(texts))
    return int(any(wrong for _, wrong in outcomes))


def _load(folder: Path) -> CustomTool:
    if not folder.is_dir():
        raise CliError("tool.no_folder", f"{folder} is no folder.")
    try:
        return load_one(folder.resolve())
    except FolderError as problem:
        raise CliError("tool.bad_folder", f"{folder}: {problem}") from None


def _one(tool: CustomTool, case: Case) -> str:
    place = Path(tempfile.mkdtemp(prefix="meso-tool-"))
    try:
        return asyncio.run(run_case(tool, case, place))
    finally:
        shutil.rmtree(place, ignore_errors=True)
