"""One mind's session directory.

    session.yaml           iteration counter and configuration
    thinking/              thoughts.jsonl: every thought, one JSON object a line
    messages/              messages.jsonl: every message, one JSON object a line
    clusters/              empty until the first iteration makes clusters
    interventions.jsonl    what was done to the mind, one JSON object a line, only appended

Needs no service: the command works on a directory of the user's own with the same code.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from meso_services.contract.common import Message
from meso_services.contract.mind import MindConfig
from meso_services.files.front_matter import decode, validate
from meso_services.files.strict_yaml import MAX_BYTES, DocumentError, dump, load_mapping
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

SESSION = "session.yaml"
THOUGHTS = "thinking/thoughts.jsonl"
MESSAGES = "messages/messages.jsonl"
CLUSTERS = "clusters"
INTERVENTIONS = "interventions.jsonl"
FIRST_MIND = "mind_0"
_MAX_LINE = 16 * 1024 * 1024


class SessionFile(Message):
    """`session.yaml`."""

    iteration: int
    config: MindConfig


@dataclass(frozen=True)
class Inspection:
    """What a session directory holds. Counts are of everything kept, not only of the pools."""

    iteration: int
    config: MindConfig
    thoughts: int
    messages: dict[str, int]
    clusters: int
    interventions: int


def init(directory: Path, prompt: str | None) -> None:
    """Make a session directory, whole or not at all. A prompt becomes the first message.

    Its parent must exist; an empty directory in its place is taken over. Raises `mind.exists`
    and `storage.*`.
    """
    beside = directory.parent / f"{durable.TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        beside.mkdir(mode=0o750)
        _fill(beside, prompt)
        beside.rename(directory)
        durable.flush_directory(directory.parent)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise MesoError(
                "mind.exists",
                f"{directory.name!r} exists already",
                status=409,
                hint="choose another name, or open the one that is there",
            ) from None
        raise storage_error(error, directory) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def inspect(directory: Path) -> Inspection:
    """Look into a session directory. Raises `mind.not_found` and `mind.damaged`."""
    try:
        head = _session_file(directory)
        return Inspection(
            iteration=head.iteration,
            config=head.config,
            thoughts=sum(1 for _ in _lines(directory, THOUGHTS)),
            messages=dict(Counter(str(m.get("source")) for m in _lines(directory, MESSAGES))),
            clusters=_clusters(directory),
            interventions=sum(1 for _ in _lines(directory, INTERVENTIONS)),
        )
    except DocumentError as error:
        raise MesoError(
            "mind.damaged",
            f"{directory.name}: {error}",
            status=409,
            hint="repair the file, or restore it from a backup; nothing was changed",
            detail={"file": error.where, "key": error.key, "problem": error.problem},
        ) from None


def _fill(directory: Path, prompt: str | None) -> None:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    audit: list[dict[str, Any]] = [_action("init", {"config": MindConfig().model_dump()}, now)]
    messages: list[dict[str, Any]] = []
    if prompt is not None:
        said = {"source": "user", "to": FIRST_MIND, "text": prompt}
        messages.append({"id": 0, **said, "iteration": 0, "time": now})
        audit.append(_action("message", said, now))
    head = SessionFile(iteration=0, config=MindConfig())
    for name in ("thinking", "messages", CLUSTERS):
        (directory / name).mkdir(mode=0o750)
    durable.write(directory / SESSION, dump(head.model_dump()).encode())
    durable.write(directory / THOUGHTS, b"")
    durable.write(directory / MESSAGES, _jsonl(messages))
    durable.write(directory / INTERVENTIONS, _jsonl(audit))


def _action(kind: str, content: dict[str, Any], now: str) -> dict[str, Any]:
    return {"type": kind, "content": content, "iteration": 0, "time": now}


def _jsonl(values: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()


def _session_file(directory: Path) -> SessionFile:
    try:
        descriptor = _open(directory / SESSION)
    except (FileNotFoundError, NotADirectoryError):
        raise MesoError(
            "mind.not_found",
            f"there is no mind {directory.name!r}",
            status=404,
            hint="GET /v1/minds lists them; POST /v1/minds makes one",
        ) from None
    except OSError as error:
        raise DocumentError(SESSION, "", error.strerror or str(error)) from None
    with os.fdopen(descriptor, "rb") as file:
        raw = file.read(MAX_BYTES + 1)
    return validate(SessionFile, load_mapping(decode(raw, SESSION), SESSION), SESSION)


def _lines(directory: Path, name: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file. A last line that was cut off by a crash does not count."""
    try:
        descriptor = _open(directory / name)
    except OSError as error:
        raise DocumentError(name, "", error.strerror or str(error)) from None
    with os.fdopen(descriptor, "rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), b""), start=1):
            if not line.endswith(b"\n"):
                return
            yield _object(line, f"line {number}", name)


def _object(line: bytes, key: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DocumentError(name, key, f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise DocumentError(name, key, "is not a JSON object")
    return value


def _open(path: Path) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return descriptor


def _clusters(directory: Path) -> int:
    try:
        return sum(1 for _ in (directory / CLUSTERS).glob("cluster_*"))
    except OSError as error:
        raise DocumentError(CLUSTERS, "", error.strerror or str(error)) from None
