"""A step's surroundings: its input document, its output directory, and the tools it may run."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar

Spec = TypeVar("Spec")

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
# Every identifier that an image needs is derived in this one.
NAMESPACE = uuid.UUID("6d65736f-0000-4000-8000-0000000000ff")
TRIPLET = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


def fail(message: str) -> NoReturn:
    """Ends the build with a message for the operator."""
    sys.exit(f"meso: {message}")


def read_spec(kind: type[Spec]) -> Spec:
    """The step's input as a frozen dataclass; an unknown or missing key is an error."""
    data = json.loads(Path(os.environ["specPath"]).read_text())
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if set(data) != names:
        fail(f"step input differs from {kind.__name__}: {sorted(set(data) ^ names)}")
    return kind(**data)


def output() -> Path:
    """The output directory, created."""
    out = Path(os.environ["out"])
    out.mkdir()
    return out


def work(name: str) -> Path:
    """A path for scratch files inside the build directory."""
    return Path(os.environ["NIX_BUILD_TOP"]) / name


def tool(
    *argv: str | Path,
    env: dict[str, str] | None = None,
    data: bytes = b"",
    files: Sequence[Path] = (),
) -> None:
    """Runs one of the locked tools; what it says is shown if it fails, which ends the build.

    Its standard input is the content of `files`, one after another, and then `data`.
    """
    environment = {**os.environ, "LD_LIBRARY_PATH": os.environ["TOOL_LIBRARIES"], **(env or {})}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [str(word) for word in argv],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
        )
        with suppress(BrokenPipeError):  # its status tells
            _feed(child, data, files)
        if child.wait():
            said.seek(0)
            sys.stderr.write(said.read().decode(errors="replace"))
            fail(f"{argv[0]} failed with status {child.returncode}")


def _feed(child: subprocess.Popen[bytes], data: bytes, files: Sequence[Path]) -> None:
    assert child.stdin is not None  # noqa: S101 (opened above)
    with child.stdin as pipe:
        for path in files:
            with path.open("rb") as source:
                while os.sendfile(pipe.fileno(), source.fileno(), None, 1 << 30):
                    pass
        pipe.write(data)


def write_json(path: Path, value: object) -> None:
    """Writes JSON in one canonical form, so that equal content is equal bytes."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
