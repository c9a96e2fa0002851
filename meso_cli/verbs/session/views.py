"""Answers of the session manager as text for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from meso_cli.output import table

Document = Mapping[str, Any]
WIDTH = 100


def moved(reply: Document) -> str:
    """A change of branches."""
    if not reply["changed"]:
        return "nothing to do"
    files = "" if reply["workspace"] == "none" else f"\nfiles: {reply['workspace']}"
    return f"branch {reply['branch']} at {reply['tip']}; working on {reply['head']}{files}"


def branches(reply: Document) -> str:
    """All branches."""
    rows = [
        (
            "*" if b["current"] else "",
            b["name"],
            str(b["messages"]),
            str(b["tokens"]),
            b["tip"] or "",
        )
        for b in reply["branches"]
    ]
    text = table(rows, ("", "BRANCH", "MESSAGES", "TOKENS", "TIP"))
    gone = "\n".join(f"  {name} stood at {at}" for name, at in reply["dropped"].items())
    return f"{text}\ndeleted:\n{gone}" if gone else text


def merged(reply: Document) -> str:
    """A merge, with every conflict."""
    if reply["strategy"] == "none":
        return f"{reply['target']} has everything that {reply['source']} has"
    did = "merged" if reply["changed"] else "would merge"
    lines = [
        f"{did} {reply['source']} into {reply['target']} ({reply['strategy']}): "
        f"{reply['added']} entries, {len(reply['tasks'])} tasks, files: {reply['workspace']}"
    ]
    if reply["fallback"]:
        lines.append(f"not as asked: {reply['fallback']}")
    lines += [
        f"CONFLICT {c['kind']} {c['name']}: kept {c['ours']!r}, theirs was {c['theirs']!r}"
        for c in reply["conflicts"]
    ]
    return "\n".join(lines)


def picked(reply: Document) -> str:
    """Entries that were repeated."""
    if not reply["changed"]:
        return "nothing to do"
    return f"{len(reply['entries'])} entries on {reply['branch']}, now at {reply['tip']}"


def compacted(reply: Document) -> str:
    """A compaction."""
    if not reply["compacted"]:
        return f"not compacted: {reply['reason']}"
    why = f" ({reply['fallback']})" if reply["fallback"] else ""
    return (
        f"{reply['branch']}: {reply['tokens_before']} tokens became {reply['tokens_after']} "
        f"by {reply['strategy']}{why}"
    )


def entries(found: Any) -> str:
    """Entries, one line each."""
    return "\n".join(line(entry) for entry in found) or "no entry"


def log(reply: Document) -> str:
    """A branch's log."""
    return entries(reply["entries"])


def difference(reply: Document) -> str:
    """What each side has."""
    parts = [f"both have everything up to {reply['base']}"]
    parts += [f"- {line(entry)}" for entry in reply["only_from"]]
    parts += [f"+ {line(entry)}" for entry in reply["only_to"]]
    more = reply["more_from"] + reply["more_to"]
    return "\n".join([*parts, f"({more} more)"] if more else parts)


def context(reply: Document) -> str:
    """What a model is sent."""
    head = f"{reply['tokens']} of {reply['budget']} tokens, {reply['left_out']} messages left out"
    said = [f"{m['role']}: {_blocks(m['content'])}" for m in reply["messages"]]
    return "\n".join([head, *said])


def hits(reply: Document) -> str:
    """What a search found."""
    found = [f"{h['session']} {h['entry']}  {h['snippet']}" for h in reply["hits"]]
    if reply["behind"]:
        found.append(f"({reply['behind']} entries were not searched yet)")
    return "\n".join(found) or "nothing found"


def usage(reply: Document) -> str:
    """The ledger."""
    names = ("session", "branch", "model", "answers", "input", "output", "cache_read", "cost")
    rows = [tuple(str(row[name]) for name in names) for row in [*reply["rows"], reply["total"]]]
    return table(rows, tuple(name.upper() for name in names))


def variables(reply: Document) -> str:
    """A session's variables."""
    return "\n".join(f"{k}={json.dumps(v)}" for k, v in reply["variables"].items()) or "none"


def stash(reply: Document) -> str:
    """What was set aside."""
    return "\n".join(f"{s['id']}  {s['branch']}  {s['note']}" for s in reply["stash"]) or "nothing"


def family(reply: Document) -> str:
    """Parents and children."""
    lines = [f"^ {one['id']}  {one['name'] or ''}" for one in reply["ancestors"]]
    lines.append(f"* {reply['session']['id']}  {reply['session']['name'] or ''}")
    lines += [f"v {one['id']}  {one['name'] or ''}" for one in reply["children"]]
    return "\n".join(lines)


def replayed(reply: Document) -> str:
    """The session at a point."""
    names = ", ".join(f"{name} at {tip}" for name, tip in reply["branches"].items())
    head = f"{reply['timestamp']}: entry {reply['seq']} ({reply['at']}), working on {reply['head']}"
    state = json.dumps(reply["variables"], ensure_ascii=False)
    return f"{head}\nbranches: {names}\nstate: {state}\n{entries(reply['path'])}"


def session(reply: Document) -> str:
    """A session's facts in a line."""
    state = " (archived)" if reply["archived"] else ""
    return f"{reply['id']}  {reply['entries']} entries  {reply['name'] or ''}{state}"


def line(entry: Document) -> str:
    """One entry in a line, its id first: other verbs ask for it."""
    return f"{entry['id']}  {entry['timestamp']}  {_said(entry)}"


def _said(entry: Document) -> str:
    data = entry["data"]
    message = data.get("message")
    if isinstance(message, dict):
        content = message.get("content")
        text = content if isinstance(content, str) else _blocks(content or ())
        return f"{message.get('role')}: {text}"
    kind, facts = entry["type"], data
    if kind == "custom" and isinstance(data.get("data"), dict):
        # What the session manager records, such as `meso.branch`, in a few words.
        kind, facts = str(data.get("customType")), data["data"]
    told = (f"{name} {_short(value)}" for name, value in facts.items() if value not in (None, []))
    return f"({kind}) {', '.join(told)}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _blocks(content: Any) -> str:
    parts = []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text":
            parts.append(str(block.get("text", "")))
        elif kind in ("tool_use", "toolCall"):
            parts.append(f"[{block.get('name')}]")
        else:
            parts.append(f"[{kind}]")
    return _short(" ".join(parts))
