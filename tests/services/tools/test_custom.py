"""Custom tools: from `meso tool new` over their tests to calls of a running service."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meso_cli.__main__ import main
from meso_services.tool_executor.custom import FolderError, load_one

# It tries to change itself, and to see what a tool of another session left.
PROGRAM = """#!/usr/bin/env python3
import json, os, pathlib, sys
params = json.load(sys.stdin)
try:
    pathlib.Path("/tool/run.py").write_text("print('another')")
    print("changed itself", file=sys.stderr)
except OSError as error:
    print(error.strerror, file=sys.stderr)
if params["path"] == "text":
    print("no JSON")
    raise SystemExit(3)
words = pathlib.Path(params["path"]).read_text().split()
print(json.dumps({"words": len(words), "here": sorted(os.listdir())}))
"""


@pytest.fixture
def meso(capsys: pytest.CaptureFixture[str]) -> Any:
    """`meso("tool", "test", ...)` → (exit status, what --json printed)."""

    def run(*words: object) -> tuple[int, Any]:
        status = main([*map(str, words), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def folder(meso: Any, tmp_path: Path) -> Path:
    """A tool as `meso tool new` writes it."""
    made = tmp_path / "count-words"
    assert meso("tool", "new", made) == (0, {"folder": str(made)})
    return made


def test_a_new_tool_passes_its_own_test_and_is_not_written_over(meso: Any, folder: Path) -> None:
    status, said = meso("tool", "test", folder)
    assert (status, said["cases"]) == (0, [{"case": 1, "ok": True, "problem": ""}])
    status, said = meso("tool", "new", folder)
    assert (status, said["error"]["code"]) == (1, "tool.exists")


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ({"expect": {"output": {"words": 4}}}, 'its output is {"words": 3}'),
        ({"expect": {"exit_code": 1}}, "exit status 0, not 1"),
        ({"expect": {"stdout_contains": "letters"}}, "its output lacks 'letters'"),
        ({"files": {}}, "exit status 1, not 0"),
        ({"files": {"../a.txt": "x"}}, "outside of the workspace"),
        ({"files": {"a.txt": "x", "a.txt/b": "x"}}, "cannot be made"),
    ],
)
def test_a_case_that_does_not_hold_fails_the_test(
    meso: Any, folder: Path, case: dict[str, Any], problem: str
) -> None:
    (known,) = json.loads((folder / "test.json").read_text())
    (folder / "test.json").write_text(json.dumps([known, {**known, **case}]))
    status, said = meso("tool", "test", folder)
    assert (status, [each["ok"] for each in said["cases"]]) == (1, [True, False])
    assert problem in said["cases"][1]["problem"]


def written(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def with_schema(**more: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        schema = json.loads((folder / "schema.json").read_text())
        (folder / "schema.json").write_text(json.dumps(schema | more))

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: (f / "run.py").unlink(), "it needs one program"),
        (written("run.sh", "#!/bin/sh\n"), "it needs one program"),
        (written("data.bin", "x"), "more than program, schema and test: data.bin"),
        (written("run.py", "print(1)\n"), "must name its interpreter"),
        (written("schema.json", "{"), "schema.json: "),
        (written("schema.json", "[" * 100_000), "schema.json: "),
        (written("schema.json", '{"a":' * 40_000 + "1" + "}" * 40_000), "schema.json: "),
        (with_schema(description=" "), "needs a `description`"),
        (with_schema(type="array"), "the schema of an object"),
        (with_schema(properties={"a": {"type": "none"}}), "schema.json: $.properties.a"),
        (with_schema(properties={"a": {"$ref": "file:///etc/passwd"}}), "must stay in the file"),
        (lambda f: (f / "test.json").unlink(), "test.json: No such file"),
        (written("test.json", "[]"), "at least one case"),
        (written("test.json", '[{"params": {"road": 1}}]'), "test.json: "),
        (written("test.json", '[{"params": {}, "expects": {}}]'), "test.json: "),
        (lambda f: (f / "run").symlink_to((f / "run.py").rename(f / "x")), "it needs"),
    ],
)
def test_a_folder_that_is_no_tool_is_refused_with_its_reason(
    meso: Any, folder: Path, change: Callable[[Path], object], problem: str
) -> None:
    change(folder)
    with pytest.raises(FolderError) as caught:
        load_one(folder)
    assert problem in str(caught.value)
    status, said = meso("tool", "test", folder)
    assert (status, said["error"]["code"]) == (1, "tool.bad_folder")


@pytest.mark.parametrize("name", ["bash", "custom_tool", "mcp__x", "white space"])
def test_names_that_are_taken_or_strange_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(FolderError, match="name"):
        load_one(folder.rename(folder.with_name(name)))


@pytest.fixture
def desk(service: Any, make_bench: Any, folder: Path) -> Any:
    """A service whose generation has one tool, and one folder that is none."""
    executor = service("tool-executor", {}, start=False)
    tools = executor.root / "nix/store/test-1/genome/tools"
    (folder / "run.py").write_text(PROGRAM)
    shutil.copytree(folder, tools / "count-words")
    (tools / "broken").mkdir()
    return make_bench(executor.start())


def test_a_tool_of_the_generation_is_offered_and_called(desk: Any) -> None:
    listed = desk.get("/v1/tools")
    mine = next(tool for tool in listed["tools"] if tool["name"] == "count-words")
    assert mine["source"] == "custom"
    assert mine["parameters"]["required"] == ["path"]
    assert listed["problems"] == ["broken: it needs one program, `run` or `run.*`"]
    (desk.place / "a").write_text("one two three")
    direct = desk.call("count-words", {"path": "a"})
    assert direct["result"]["output"] == {"words": 3, "here": ["a"]}
    assert direct["decision"]["rule"] == "custom-tools"
    framed = desk.call("custom_tool", {"name": "count-words", "params": {"path": "a"}})
    assert framed["result"]["output"] == direct["result"]["output"]
    assert "Read-only file system" in direct["result"]["stderr"]


def test_what_does_not_fit_the_schema_is_not_run(desk: Any) -> None:
    for params in ({}, {"path": 1}, {"path": "a", "more": 1}):
        reply = desk.call("count-words", params)
        assert (reply["state"], reply["error"]["code"]) == ("failed", "tools.invalid_params")
        assert reply["error"]["detail"]["problems"]


def test_an_expression_that_tries_for_ever_ends_and_the_service_goes_on(
    service: Any, make_bench: Any, folder: Path
) -> None:
    executor = service("tool-executor", {}, start=False)
    with_schema(properties={"path": {"type": "string", "pattern": "^([\\w.]+ ?)*$"}})(folder)
    shutil.copytree(folder, executor.root / "nix/store/test-1/genome/tools/count-words")
    desk = make_bench(executor.start())
    (desk.place / "a").write_text("one")
    assert desk.call("count-words", {"path": "a"})["state"] == "completed"
    reply = desk.call("count-words", {"path": "a" * 60 + "!"})
    assert (reply["state"], reply["error"]["code"]) == ("failed", "tools.invalid_params")
    assert "try for ever" in reply["error"]["hint"]
    assert desk.call("count-words", {"path": "a"})["state"] == "completed"


def test_a_tools_own_failure_is_a_result(desk: Any) -> None:
    result = desk.call("count-words", {"path": "text"})["result"]
    assert (result["exit_code"], result["stdout"], result["output"]) == (3, "no JSON\n", None)
