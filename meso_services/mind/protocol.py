"""What a mind reads: mind protocol v1.1, the input, to the letter of its description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

VERSION = "1.1"
Presence = Literal["absent", "reviewing", "engaged"]


@dataclass(frozen=True, slots=True)
class SeenThought:
    """A sampled thought. `age` in iterations; `cluster` is its id and size, None for noise."""

    text: str
    age: int
    cluster: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """A message of the pool; `time` has a zone."""

    source: str
    to: str
    age: int
    time: datetime
    text: str


@dataclass(frozen=True, slots=True)
class SeenDraft:
    """A draft that waits for the user's acceptance (draft dialogue only)."""

    number: int
    age: int
    text: str


@dataclass(frozen=True, slots=True)
class MindInput:
    """One iteration's input. `drafts` and `presence` are None in plain v1.1."""

    self_name: str
    iteration: int
    user_time: datetime
    thoughts: Sequence[SeenThought]
    messages: Sequence[SeenMessage]
    presence: Presence | None = None
    drafts: Sequence[SeenDraft] | None = None


def render(given: MindInput) -> str:
    """The input as the YAML text that the model gets."""
    parts = [_meta(given), _thoughts(given.thoughts), _messages(given.messages)]
    if given.drafts is not None:
        parts.append(_drafts(given.drafts))
    return "\n".join(parts)


def _meta(given: MindInput) -> str:
    lines = [
        "meta:",
        f"  self: {given.self_name}",
        f"  iter: {given.iteration}",
        f"  user_time: {stamp(given.user_time)}",
    ]
    lines += [f"  user_presence: {given.presence}"] if given.presence else []
    return "\n".join(lines) + "\n"


def stamp(time: datetime) -> str:
    """A point in time to the second, with its zone."""
    return time.isoformat(timespec="seconds")


def _thoughts(thoughts: Sequence[SeenThought]) -> str:
    if not thoughts:
        return "thinking_pool: []\n"
    lines = ["thinking_pool:"]
    for one in thoughts:
        cluster = "{~}" if one.cluster is None else "{{id: {}, size: {}}}".format(*one.cluster)
        lines.append(f"  - {_mark(one.text)}  # age: {one.age}, cluster: {cluster}")
        lines += _block(one.text, 4)
    return "\n".join(lines) + "\n"


def _messages(messages: Sequence[SeenMessage]) -> str:
    if not messages:
        return "message_pool: []\n"
    lines = ["message_pool:"]
    for one in messages:
        lines.append(f"  - source: {one.source}")
        lines.append(f"    to: {one.to}")
        lines.append(f"    age: {one.age}")
        lines.append(f"    time: {stamp(one.time)}")
        lines.append(f"    text: {_mark(one.text)}")
        lines += _block(one.text, 6)
    return "\n".join(lines) + "\n"


def _drafts(drafts: Sequence[SeenDraft]) -> str:
    if not drafts:
        return "draft_pool: []\n"
    lines = ["draft_pool:"]
    for one in drafts:
        lines += [f"  - draft: {one.number}", f"    age: {one.age}", f"    text: {_mark(one.text)}"]
        lines += _block(one.text, 6)
    return "\n".join(lines) + "\n"


def _mark(text: str) -> str:
    # A first line that begins with a space would be taken for the block's indentation.
    return "|2" if text.startswith((" ", "\t")) else "|"


def _block(text: str, indent: int) -> Iterator[str]:
    for line in text.split("\n"):
        yield " " * indent + line if line else ""
