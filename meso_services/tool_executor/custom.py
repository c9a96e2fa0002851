"""Custom tools: a folder in the genome's `tools/` with one program, one JSON schema, one test.

    genome/tools/count-words/
      run.py        the program: parameters as JSON on stdin, its result on stdout
      schema.json   a JSON schema (draft 2020-12) of an object, with `description`
      test.json     [{"params": {…}, "files": {"a.txt": "…"}, "expect": {"exit_code": 0, …}}]

Tools belong to the generation, so an agent cannot change them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from meso_services.contract.common import Message
from meso_services.contract.tools import ToolInfo
from meso_services.contract.tools_params import ToolName
from meso_services.runtime.errors import MesoError
from meso_services.tool_executor.patience import patience

SCHEMA, TEST = "schema.json", "test.json"
MOUNT = "/tool"
RESERVED = frozenset({"read", "write", "edit", "bash", "custom_tool"})
_SHEBANG = re.compile(rb"#!\s*(/\S+)(?:[ \t]+([^\n]*))?\n")
_MAX_SCHEMA = 256 << 10
_CHECK_SECONDS = 2.0


class Expected(Message):
    """What a test case expects. What is left out is not looked at."""

    exit_code: int = 0
    output: Any = None
    stdout_contains: str | None = None


class Case(Message):
    """One case of `test.json`."""

    params: dict[str, Any]
    files: dict[str, str] = Field(default_factory=dict)
    expect: Expected = Expected()


_CASES: TypeAdapter[tuple[Case, ...]] = TypeAdapter(tuple[Case, ...])


class FolderError(Exception):
    """A folder that is no tool: where and why."""


@dataclass(frozen=True)
class CustomTool:
    """A tool that can be used. `argv` runs it inside the sandbox."""

    name: str
    folder: Path
    schema: dict[str, Any]
    argv: Sequence[str]
    cases: tuple[Case, ...]

    @property
    def info(self) -> ToolInfo:
        return ToolInfo(
            name=self.name,
            description=str(self.schema.get("description", "")),
            parameters=self.schema,
            source="custom",
        )

    def check(self, params: dict[str, Any]) -> None:
        """Raise `tools.invalid_params` if `params` do not fit the schema."""
        check(self.schema, params)


@dataclass(frozen=True)
class CustomTools:
    """The tools of a directory, and what keeps others from being used."""

    tools: dict[str, CustomTool] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def load(directory: Path | None) -> CustomTools:
    """All tools below `directory`; a folder that is none is a problem, not an error."""
    tools, problems = {}, []
    for folder in sorted(directory.iterdir()) if directory and directory.is_dir() else ():
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        try:
            tools[folder.name] = load_one(folder)
        except FolderError as problem:
            problems.append(f"{folder.name}: {problem}")
    return CustomTools(tools, tuple(problems))


def load_one(folder: Path) -> CustomTool:
    """The tool in `folder`. Raises FolderError."""
    name = _name(folder)
    program = _program(folder)
    return CustomTool(
        name, folder, _schema(folder), [*_interpreter(program), f"{MOUNT}/{program.name}"],
        _cases(folder),
    )  # fmt: skip


def check(schema: dict[str, Any], params: dict[str, Any]) -> None:
    """Raise `tools.invalid_params` with every mistake in `params`."""
    # Slow to load, and seldom needed.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        with patience(_CHECK_SECONDS):
            validator = Draft202012Validator(schema)
            found = sorted(validator.iter_errors(params), key=lambda e: e.json_path)
    except TimeoutError:
        raise MesoError(
            "tools.invalid_params",
            f"comparing the parameters with the schema took more than {_CHECK_SECONDS:g} s",
            status=422,
            hint="an expression in the tool's schema.json may try for ever: `(a+)+` and the like",
        ) from None
    if found:
        problems = [{"path": e.json_path, "message": e.message[:500]} for e in found[:20]]
        raise MesoError(
            "tools.invalid_params",
            f"{problems[0]['path']}: {problems[0]['message']}",
            status=422,
            hint="GET /v1/tools has the schema of the parameters",
            detail={"problems": problems},
        )


def _name(folder: Path) -> str:
    try:
        name: str = TypeAdapter(ToolName).validate_python(folder.name)
    except ValidationError:
        raise FolderError("its name may have letters, digits, `_`, `.` and `-`") from None
    if name in RESERVED or name.startswith("mcp__"):
        raise FolderError("its name is taken")
    return name


def _program(folder: Path) -> Path:
    found = [p for p in sorted(folder.iterdir()) if p.name not in (SCHEMA, TEST)]
    programs = [p for p in found if p.name == "run" or p.name.startswith("run.")]
    if len(programs) != 1 or not programs[0].is_file() or programs[0].is_symlink():
        raise FolderError("it needs one program, `run` or `run.*`")
    if extra := [p.name for p in found if p not in programs and not p.name.startswith(".")]:
        raise FolderError(f"it holds more than program, schema and test: {', '.join(extra)}")
    return programs[0]


def _interpreter(program: Path) -> Iterator[str]:
    """From the first line: a generation's files are not executable."""
    with program.open("rb") as file:
        found = _SHEBANG.match(file.read(256))
    if found is None:
        raise FolderError(f"{program.name}: its first line must name its interpreter, `#!/…`")
    words = (found[2] or b"").decode(errors="replace").split()
    if found[1].decode(errors="replace").endswith("/env"):
        words = words[1:] if words[:1] == ["-S"] else words
    else:
        words = [found[1].decode(errors="replace"), *words]
    if not words:
        raise FolderError(f"{program.name}: its first line names no interpreter")
    yield from words


def _schema(folder: Path) -> dict[str, Any]:
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415

    raw = _json(folder / SCHEMA)
    if not isinstance(raw, dict) or raw.get("type") != "object":
        raise FolderError(f'{SCHEMA}: must be the schema of an object, "type": "object"')
    if not str(raw.get("description", "")).strip():
        raise FolderError(f"{SCHEMA}: needs a `description`; the model chooses tools by it")
    if not _stays(raw):
        raise FolderError(f"{SCHEMA}: a $ref must stay in the file")
    try:
        Draft202012Validator.check_schema(raw)
    except SchemaError as error:
        raise FolderError(f"{SCHEMA}: {error.json_path}: {error.message[:200]}") from None
    return raw


def _stays(schema: Any) -> bool:
    try:
        return all(str(each).startswith("#") for each in _references(schema))
    except RecursionError:
        raise FolderError(f"{SCHEMA}: it is nested too deeply") from None


def _references(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (v for k, v in value.items() if k in ("$ref", "$dynamicRef"))
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _cases(folder: Path) -> tuple[Case, ...]:
    try:
        cases = _CASES.validate_python(_json(folder / TEST))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FolderError(f"{TEST}: {where}: {first['msg']}") from None
    if not cases:
        raise FolderError(f"{TEST}: needs at least one case")
    for case in cases:
        try:
            check(_schema(folder), case.params)
        except MesoError as error:
            raise FolderError(f"{TEST}: {error.message}") from None
    return cases


def _json(path: Path) -> Any:
    try:
        if path.is_symlink() or path.stat().st_size > _MAX_SCHEMA:
            raise FolderError(f"{path.name}: must be a file of at most {_MAX_SCHEMA >> 10} KiB")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FolderError(f"{path.name}: {error.strerror}") from None
    except RecursionError:
        raise FolderError(f"{path.name}: it is nested too deeply") from None
    except ValueError as error:
        raise FolderError(f"{path.name}: {error}") from None
