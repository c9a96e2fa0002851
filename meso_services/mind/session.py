"""A mind's session directory.

    session.yaml             iteration counter and configuration
    thinking/                thoughts.jsonl (one a line), embeddings.f32 (row n is thought n)
    messages/                messages.jsonl: every message, one a line
    clusters/                assignments.jsonl (who joined which cluster, in order) and
                             registry.npz (centroids and sizes, derived from the assignments)
    interventions.jsonl      what was done to the mind, only appended
    drafts/                  with draft dialogue: pending.jsonl, archive.jsonl

An iteration counts when `session.yaml` names it. Whatever was written for one that does not count
is passed over by readers and cut off by the next writer.
"""

from __future__ import annotations

import errno
import re
import secrets
import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from meso_services.contract.common import Message
from meso_services.contract.mind import MindConfig
from meso_services.files.front_matter import decode, validate
from meso_services.files.strict_yaml import MAX_BYTES, DocumentError, dump, load_mapping
from meso_services.mind import lines, vectors
from meso_services.mind.text import clean
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

SESSION = "session.yaml"
THOUGHTS = "thinking/thoughts.jsonl"
MESSAGES = "messages/messages.jsonl"
CLUSTERS = "clusters"
ASSIGNMENTS = "clusters/assignments.jsonl"
INTERVENTIONS = "interventions.jsonl"
FIRST_MIND = "mind_0"
_OWN_FORM = re.compile(rb"iteration: (0|[1-9][0-9]{0,17})\n(config:\n.{1,65536})", re.DOTALL)
USER = "user"


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


def now() -> datetime:
    """This moment with its zone, to the second."""
    return datetime.now().astimezone().replace(microsecond=0)


def init(directory: Path, prompt: str | None, config: MindConfig | None = None) -> None:
    """Make a session directory, whole or not at all. A prompt becomes the first message.

    Its parent must exist; an empty directory in its place is taken over. Raises `mind.exists`
    and `storage.*`.
    """
    beside = directory.parent / f"{durable.TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        beside.mkdir(mode=0o750)
        _fill(beside, prompt, config or MindConfig())
        place(beside, directory)
    except OSError as error:
        raise storage_error(error, directory) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def place(beside: Path, directory: Path) -> None:
    """Move a finished session directory to its place. Raises `mind.exists` and OSError."""
    try:
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
        raise


def inspect(directory: Path) -> Inspection:
    """Look into a session directory. Raises `mind.not_found` and `mind.damaged`."""
    try:
        head = read_head(directory)
        said = lines.read(directory, MESSAGES, head.iteration)
        return Inspection(
            iteration=head.iteration,
            config=head.config,
            thoughts=thoughts_made(directory, head.iteration),
            messages=dict(Counter(str(m.get("source")) for m in said)),
            clusters=_clusters(directory, head.iteration),
            interventions=sum(1 for _ in lines.read(directory, INTERVENTIONS, head.iteration)),
        )
    except DocumentError as error:
        raise damaged(directory, error) from None


def damaged(directory: Path, error: DocumentError) -> MesoError:
    """`mind.damaged`, with the file and the key."""
    return MesoError(
        "mind.damaged",
        f"{directory.name}: {error}",
        status=409,
        hint="repair the file, or restore it from a backup; nothing was changed",
        detail={"file": error.where, "key": error.key, "problem": error.problem},
    )


def read_head(directory: Path) -> SessionFile:
    """`session.yaml`. Raises `mind.not_found`, and DocumentError for what it cannot be."""
    try:
        raw = (directory / SESSION).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MesoError(
            "mind.not_found",
            f"there is no mind {directory.name!r}",
            status=404,
            hint="`mind init` makes one; POST /v1/minds makes one on an appliance",
        ) from None
    except OSError as error:
        raise DocumentError(SESSION, "", error.strerror or str(error)) from None
    own = _OWN_FORM.fullmatch(raw)
    if own:
        # Only the number moves from iteration to iteration; the rest was read before.
        return SessionFile(iteration=int(own[1]), config=_parsed(b"iteration: 0\n" + own[2]).config)
    return _parsed(raw[: MAX_BYTES + 1])


@lru_cache(64)
def _parsed(raw: bytes) -> SessionFile:
    return validate(SessionFile, load_mapping(decode(raw, SESSION), SESSION), SESSION)


def write_head(directory: Path, head: SessionFile) -> None:
    """Make `head` count; whole or not at all. Raises OSError."""
    durable.write(directory / SESSION, head_text(head).encode())


def head_text(head: SessionFile) -> str:
    """`session.yaml` as it is written."""
    return f"iteration: {head.iteration}\n{_config_text(head.config.model_dump_json())}"


@lru_cache(64)
def _config_text(config: str) -> str:
    return dump({"config": MindConfig.model_validate_json(config).written()})


def thoughts_made(directory: Path, iteration: int) -> int:
    """How many thoughts there have been."""
    for line in lines.newest(directory, THOUGHTS, iteration):
        return int(line["id"]) + 1
    return 0


def action(kind: str, content: dict[str, Any], iteration: int) -> dict[str, Any]:
    """One line of `interventions.jsonl`."""
    moment = now().isoformat(timespec="seconds")
    return {"type": kind, "content": content, "iteration": iteration, "time": moment}


def _fill(directory: Path, prompt: str | None, config: MindConfig) -> None:
    audit = [action("init", {"config": config.written()}, 0)]
    messages: list[dict[str, Any]] = []
    if prompt is not None:
        said = {"source": USER, "to": FIRST_MIND, "text": prompt}
        moment = now().isoformat(timespec="seconds")
        messages.append({"id": 0, **said, "iteration": 0, "time": moment})
        audit.append(action("message", said, 0))
    for name in ("thinking", "messages", CLUSTERS):
        (directory / name).mkdir(mode=0o750)
    write_head(directory, SessionFile(iteration=0, config=config))
    durable.write(directory / THOUGHTS, b"")
    durable.write(directory / vectors.NAME, b"")
    durable.write(directory / ASSIGNMENTS, b"")
    durable.write(directory / MESSAGES, lines.encode(messages))
    durable.write(directory / INTERVENTIONS, lines.encode(audit))


def _clusters(directory: Path, iteration: int) -> int:
    if not (directory / ASSIGNMENTS).exists():
        return 0
    # Cluster numbers are given in order, so the newest new one is the highest.
    for line in lines.newest(directory, ASSIGNMENTS, iteration):
        if line.get("by") in ("hdbscan", "split"):
            return int(line["cluster"]) + 1
    return 0


def prompt_text(text: str) -> str:
    """A message's text as it is kept. Raises `mind.empty_message`."""
    if not (kept := clean(text)):
        raise MesoError("mind.empty_message", "the message has no text", status=422)
    return kept
