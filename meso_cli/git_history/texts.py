"""An entry of a session as a person reads it, and as the message of a commit."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meso_services.contract.session import Entry

SUBJECT = 72
# What a message of a commit repeats of a long text; the whole of it is in the files.
BODY = 4000
FENCE = re.compile(r"`{3,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f<>]+")
# Entries that somebody said. All others are about the session and make no commit.
_SAID = frozenset({"message", "custom_message", "compaction", "branch_summary"})


@dataclass(frozen=True, slots=True)
class Said:
    """Who said something, and what. `when` is Unix seconds."""

    role: str
    author: str
    text: str
    when: int

    @property
    def subject(self) -> str:
        """The first line of the commit's message."""
        line = next((row.strip() for row in self.text.splitlines() if row.strip("` \t")), "")
        return f"{self.role}: {line or '(nothing)'}"[:SUBJECT]

    def page(self, ident: str) -> bytes:
        """The entry in a file of the conversation. Its id stands there, so that blame finds it."""
        time = datetime.datetime.fromtimestamp(self.when, datetime.UTC).strftime("%F %T")
        return f"## {self.role}, {time} UTC, {ident}\n\n{self.text.rstrip()}\n\n".encode()

    def message(self, ident: str) -> bytes:
        """The commit's message; its last lines are trailers that git understands."""
        body = self.text if len(self.text) <= BODY else f"{self.text[:BODY]}…"
        return (
            f"{self.subject}\n\n{body.strip()}\n\nMeso-Entry: {ident}\nMeso-Role: {self.role}\n"
        ).encode()


def said(entry: Entry) -> Said | None:
    """What an entry says; None for one that is about the session, such as a label."""
    if entry.type not in _SAID:
        return None
    when = seconds(entry.timestamp)
    if entry.type == "message":
        message = entry.data.get("message")
        message = message if isinstance(message, Mapping) else {}
        role = _word(message.get("role"), "message")
        author = _word(message.get("model") or message.get("toolName"), role)
        return Said(role, author, _message(message), when)
    content = entry.data.get("summary", entry.data.get("content"))
    return Said(entry.type.replace("_", " "), "session", _content(content), when)


def _message(message: Mapping[str, Any]) -> str:
    if "command" in message:
        return f"{_fenced('sh', str(message['command']))}\n\n{message.get('output', '')}"
    return _content(message.get("content"))


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n\n".join(_block(block) for block in content)
    return "" if content is None else _json(content)


def _block(block: object) -> str:  # noqa: PLR0911 (a kind each)
    if not isinstance(block, Mapping):
        return str(block)
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "thinking":
            lines = str(block.get("thinking", "")).splitlines()
            return "\n".join(f"> {line}".rstrip() for line in lines)
        case "toolCall" | "tool_use":
            given = block.get("arguments", block.get("input", {}))
            return _fenced(f"json {block.get('name', '')}", _json(given))
        case "toolResult" | "tool_result":
            return _content(block.get("content"))
        case "image":
            return f"[image, {len(_json(block))} bytes]"
        case _:
            return _fenced("json", _json(block))


def _fenced(word: str, text: str) -> str:
    longest = max((len(run) for run in FENCE.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{word}\n{text}\n{fence}"


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)


def _word(value: object, otherwise: str) -> str:
    """A name that git takes: one line, without angle brackets."""
    text = _CONTROL.sub(" ", value).strip(" .,:;\"'\\")[:80] if isinstance(value, str) else ""
    return text or otherwise


def seconds(timestamp: str) -> int:
    """ISO 8601 as Unix seconds, 0 where it is none."""
    try:
        found = datetime.datetime.fromisoformat(timestamp)
    except ValueError:
        return 0
    return max(0, int(found.timestamp()))
