"""Goose's sessions: its JSON of one session, to entries of ours and back.

A session of Goose is linear. Its messages become entries, each with the message it was made of;
what else the session says is carried by the first entry. On the way back the branch that is
worked on becomes the conversation, and everything else goes into `extension_data`, where Goose
keeps what it does not know. No real Goose has judged this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

from meso_services.runtime.errors import MesoError
from meso_services.transcripts import carried, ours
from meso_services.transcripts.kept import Kept
from meso_services.transcripts.lines import Record, compact, parse, too_deep
from meso_services.transcripts.report import Report

MOST_BYTES = 128 << 20
EXTENSION = "meso.v1"
CARRIER = {"customType": carried.GOOSE}
Block = dict[str, Any]
Said = Callable[[Record], tuple[str, list[Block]] | None]


def read(file: BinaryIO) -> Record:
    """The session in a file. Raises `import.too_long`, `import.unknown_format`."""
    file.seek(0)
    text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise MesoError("import.too_long", f"a session of Goose is one JSON document; more than "
                        f"{MOST_BYTES >> 20} MiB are not read", status=422)  # fmt: skip
    found = parse(text)
    if found is not None and too_deep(found):
        raise MesoError("import.too_deep", "the session is nested deeper than any of Goose's",
                        status=422)  # fmt: skip
    if found is None or not isinstance(found.get("conversation"), list):
        raise MesoError("import.unknown_format", "this is no session of Goose: it has no list "
                        "`conversation`", status=422,
                        hint="`goose session export --format json` writes one")  # fmt: skip
    return found


def entries(session: Record, report: Report) -> Iterator[Record]:
    """All entries of a session."""
    if (own := _own_lines(session)) is not None:
        yield from own
        yield from _since(session, own, report)
        return
    facts = {name: value for name, value in session.items() if name != "conversation"}
    start = _time(session.get("created_at"))
    first = {"format": carried.GOOSE, "n": 0, "record": facts}
    parent = ours.made_id("goose", session.get("id"), 0)
    yield ours.entry("custom", parent, None, start, {**CARRIER, carried.FOREIGN: first},
                     branch="main")  # fmt: skip
    name = session.get("name")
    if isinstance(name, str) and name.strip():
        ident = ours.made_id(parent, "name")
        yield ours.entry("session_info", ident, parent, start, {"name": name}, branch="main")
        parent = ident
    for number, message in enumerate(session["conversation"], 1):
        for made in _entries(session, message, number, parent, report):
            yield made
            parent = made["id"]


def _since(session: Record, own: list[Record], report: Report) -> Iterator[Record]:
    """What Goose has added to a session that we had exported."""
    found = session["extension_data"][EXTENSION]
    count, parent = found.get("messages"), found.get("head")
    if not isinstance(count, int) or parent not in {line["id"] for line in own}:
        count, parent = 0, own[-1]["id"] if own else ours.made_id("goose", session.get("id"), 0)
    if count > len(session["conversation"]):
        report.say("messages were taken out of the conversation; they are still in the session")
    for number, message in enumerate(session["conversation"][count:], count + 1):
        for made in _entries(session, message, number, parent, report):
            yield made
            parent = made["id"]


def _entries(
    session: Record, message: object, number: int, parent: str, report: Report
) -> Iterator[Record]:
    at = _time(message.get("created")) if isinstance(message, dict) else ""
    kept: Record = {"format": carried.GOOSE, "n": number, "record": {"message": message}}
    parts = _messages(message)
    if not parts:
        report.say(f"message {number} says nothing that is known; kept as it is")
    ident = ours.made_id("goose", session.get("id"), number, json.dumps(message, sort_keys=True))
    if not parts:
        yield ours.entry("custom", ident, parent, at, {**CARRIER, carried.FOREIGN: kept},
                         branch="main")  # fmt: skip
    for place, part in enumerate(parts):
        name = ident if place == 0 else ours.made_id(ident, place)
        carry = kept if place == 0 else {"format": carried.GOOSE, "n": number, "part": place}
        yield ours.entry("message", name, parent, at,
                         {"message": part, carried.FOREIGN: carry}, branch="main")  # fmt: skip
        parent = name


def _messages(message: object) -> list[Record]:
    """A message of Goose as one or more of Pi's: each tool result is one of its own."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return []
    blocks = [block for block in message["content"] if isinstance(block, dict)]
    if message.get("role") == "assistant":
        content = [made for block in blocks if (made := _answered(block)) is not None]
        return [{"role": "assistant", "content": content}] if content else []
    results = [_result(block) for block in blocks if block.get("type") == "toolResponse"]
    rest = [made for block in blocks if (made := _said(block)) is not None]
    return [*results, *([{"role": "user", "content": rest}] if rest else [])]


def _answered(block: Block) -> Block | None:
    match block.get("type"):
        case "text":
            return {"type": "text", "text": str(block.get("text", ""))}
        case "thinking":
            return {"type": "thinking", "thinking": str(block.get("thinking", "")),
                    "thinkingSignature": str(block.get("signature", ""))}  # fmt: skip
        case "toolRequest" | "frontendToolRequest":
            call = block.get("toolCall")
            value = call.get("value") if isinstance(call, dict) else None
            given = value if isinstance(value, dict) else {}
            arguments = given.get("arguments")
            return {"type": "toolCall", "id": str(block.get("id", "")),
                    "name": str(given.get("name", "unknown")),
                    "arguments": arguments if isinstance(arguments, dict) else {}}  # fmt: skip
        case _:
            return None


def _said(block: Block) -> Block | None:
    match block.get("type"):
        case "text":
            return {"type": "text", "text": str(block.get("text", ""))}
        case "image" if isinstance(block.get("data"), str):
            return {"type": "image", "data": block["data"],
                    "mimeType": str(block.get("mimeType", "image/png"))}  # fmt: skip
        case _:
            return None


def _result(block: Block) -> Record:
    found = block.get("toolResult")
    result: Record = found if isinstance(found, dict) else {}
    value = result.get("value")
    content = value.get("content") if isinstance(value, dict) else value
    said = [_said(one) for one in content if isinstance(one, dict)] if isinstance(
        content, list
    ) else []  # fmt: skip
    failed = result.get("status") not in (None, "success")
    if failed:
        said = [{"type": "text", "text": str(result.get("error", "the call failed"))}]
    return {"role": "toolResult", "toolCallId": str(block.get("id", "")), "toolName": "",
            "content": [one for one in said if one is not None], "isError": failed}  # fmt: skip


def document(kept: Kept, head: str | None, said: Said, report: Report) -> Iterator[bytes]:
    """The JSON of a session, in pieces."""
    if sum(slot.length for slot in kept.slots) > MOST_BYTES:
        raise MesoError("export.too_large", "a session of Goose is one JSON document; this one is "
                        f"larger than {MOST_BYTES >> 20} MiB", status=422,
                        hint="export it for Pi or Claude Code, or fork a part")  # fmt: skip
    facts: Record = {}
    way = list(kept.back(head))[::-1]
    messages: list[Record] = []
    own = 0
    for slot in way:
        entry = kept.record(slot)
        found = carried.foreign(entry, carried.GOOSE)
        record = carried.record_of(entry, found) if found else None
        if found and found["n"] == 0 and record is not None:
            facts = record
        elif found and not found.get("part") and record is not None:
            messages.append(record["message"])
        elif not found and (spoken := said(entry)) is not None and spoken[0] != "system":
            messages.append(_message(slot.id, entry, *spoken))
            own += 1
    # As it came from Goose, with nothing but the name that the import made of its own.
    simple = (
        bool(facts)
        and own == 0
        and all(
            carried.foreign(kept.record(slot), carried.GOOSE)
            or (slot.kind == "session_info" and slot.number == 1)
            for slot in kept.slots
        )
    )
    whole = facts or _facts(kept)
    whole = {**whole, "conversation": messages}
    if not simple:
        more = {"messages": len(messages), "head": head}
        whole["extension_data"] = _with_ours(kept, whole.get("extension_data"), more)
        beside = len(kept.slots) - len(way)
        report.say(f"a session of Goose is linear: {beside} entries of other branches, and what "
                   f"it has no word for, are carried in extension_data[{EXTENSION!r}]")  # fmt: skip
    yield compact(whole)


def _facts(kept: Kept) -> Record:
    at = str(kept.header.get("timestamp", ""))
    return {"id": str(kept.header.get("id")), "working_dir": str(kept.header.get("cwd", "")),
            "name": _name(kept), "session_type": "user", "created_at": at, "updated_at": at,
            "extension_data": {}}  # fmt: skip


def _name(kept: Kept) -> str:
    for slot in reversed(kept.slots):
        if slot.kind == "session_info" and isinstance(name := kept.record(slot).get("name"), str):
            return name
    return "MESO session"


def _with_ours(kept: Kept, before: object, more: Record) -> Record:
    data = dict(before) if isinstance(before, dict) else {}
    return {**data, EXTENSION: {**more, "header": kept.header,
                                "entries": [kept.record(slot) for slot in kept.slots]}}  # fmt: skip


def _own_lines(session: Record) -> list[Record] | None:
    """The entries that our own export carried, if Goose has added nothing since."""
    data = session.get("extension_data")
    found = data.get(EXTENSION) if isinstance(data, dict) else None
    lines = found.get("entries") if isinstance(found, dict) else None
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        return None
    known: set[str] = set()
    made: list[Record] = []
    for line in lines:
        parent = line.get("parentId")
        if not ours.good_id(line.get("id")) or line["id"] in known or not ours.sound_record(line):
            return None
        if (parent is not None and parent not in known) or too_deep(line):
            return None
        known.add(line["id"])
        own = ours.own_of(line)
        bare = {name: value for name, value in line.items() if name != ours.OWN}
        made.append({**bare, ours.OWN: own} if own else bare)
    return made


def _message(ident: str, entry: Record, role: str, blocks: list[Block]) -> Record:
    content = [_goose(block) for block in blocks]
    at = str(entry.get("timestamp", ""))
    return {"id": ident, "role": role, "created": _seconds(at), "content": content,
            "metadata": {"userVisible": True, "agentVisible": True}}  # fmt: skip


def _goose(block: Block) -> Block:
    match block.get("type"):
        case "tool_use":
            value = {"name": block.get("name"), "arguments": block.get("input")}
            return {"type": "toolRequest", "id": block.get("id"),
                    "toolCall": {"status": "success", "value": value}}  # fmt: skip
        case "tool_result":
            value = {"content": block.get("content"), "isError": block.get("is_error") is True}
            return {"type": "toolResponse", "id": block.get("tool_use_id"),
                    "toolResult": {"status": "success", "value": value}}  # fmt: skip
        case "thinking":
            return {"type": "thinking", "thinking": block.get("thinking", ""),
                    "signature": block.get("signature", "")}  # fmt: skip
        case "image" if isinstance(source := block.get("source"), dict):
            return {"type": "image", "data": source.get("data", ""),
                    "mimeType": source.get("media_type", "image/png")}  # fmt: skip
        case "text":
            return {"type": "text", "text": block.get("text", "")}
        case kind:
            return {"type": "text", "text": f"[{kind}]"}


def _time(value: object) -> str:
    """Goose counts seconds in messages and writes ISO 8601 for sessions."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40:
        stamp = datetime.fromtimestamp(min(value, 253_402_300_799), UTC)
        return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)[:64] if ours.good_text(value) else ""


def _seconds(stamp: str) -> int:
    try:
        return int(datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        return 0
