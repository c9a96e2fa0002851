"""Who may import whom, read from the source. Services meet in `contract` and on sockets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[2] / "meso_services"
SERVICES = frozenset(
    {
        *("session_manager", "memory_manager", "tool_executor"),
        *("operon_loader", "api_proxy", "mind_runner", "embed", "mcp"),
    }
)
STARTERS = frozenset(
    {
        *(f"subprocess.{name}" for name in ("Popen", "run", "call", "check_call", "check_output")),
        *("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
        *("os.system", "os.popen", "os.posix_spawn"),
    }
)


def imports(source: str, module: str) -> Iterator[str]:
    """Every module that `source` names in an import, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(level=0):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            case ast.ImportFrom():
                base = module.split(".")[: -node.level]
                yield from (
                    ".".join([*base, node.module or "", alias.name]) for alias in node.names
                )
            case _:
                pass


def rooms_imported_by(room: str) -> dict[str, set[str]]:
    """Room of ours → files of `room` that import it."""
    found: dict[str, set[str]] = {}
    for file in sorted((PACKAGES / room).rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGES.parent).with_suffix("").parts)
        for name in imports(file.read_text(), module):
            first, _, rest = name.partition(".")
            if first in {"meso_cli", "meso_host"}:
                found.setdefault(first, set()).add(file.name)
            elif first == "meso_services" and rest:
                found.setdefault(rest.split(".")[0], set()).add(file.name)
    found.pop(room, None)
    return found


def test_the_walk_sees_every_way_to_import() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from ..x import y\n    from . import z\n"
    assert set(imports(source, "p.q.r")) == {"a.b", "c.d", "p.x.y", "p.q..z"}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_no_service_imports_another(service: str) -> None:
    assert (PACKAGES / service / "settings.py").is_file()
    assert not rooms_imported_by(service).keys() & (SERVICES | {"meso_cli", "meso_host"})


def test_the_contract_imports_nothing_else_of_ours() -> None:
    assert rooms_imported_by("contract") == {}


def test_the_chassis_knows_no_service() -> None:
    """It may use the contract's common messages, and nothing else of ours."""
    assert rooms_imported_by("runtime").keys() <= {"contract"}


def test_the_memory_library_is_no_service() -> None:
    """The memory manager builds on it; it knows nothing of that."""
    assert rooms_imported_by("memory").keys() <= {"runtime", "contract", "mind"}


def starts_programs(source: str) -> bool:
    """True if `source` calls one of the standard library's ways to start a program."""
    called = {
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
    }
    return bool(called & STARTERS)


def test_subprocesses_start_in_one_place() -> None:
    """One door, so that its logs and its redaction hold everywhere."""
    ours = PACKAGES.parent
    files = [file for room in ("meso_services", "meso_cli", "meso_host") for file in
             sorted((ours / room).rglob("*.py"))]  # fmt: skip
    starting = [str(file.relative_to(ours)) for file in files if starts_programs(file.read_text())]
    assert starting == ["meso_services/runtime/process.py"]
