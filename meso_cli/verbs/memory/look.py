"""What is only looked at."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import assert_never

from meso_cli.actions import service, text_or_input
from meso_cli.output import CliError, Output
from meso_cli.verbs.memory import requests as ask
from meso_services.contract import memory as wire
from meso_services.contract.client import Connection, SessionManager

LAST_ENTRIES = 20
Request = ask.Search | ask.Related | ask.Show | ask.List | ask.Named


def run(memory: Connection, request: Request, output: Output) -> None:
    """Ask, and print."""
    match request:
        case ask.Search():
            found = memory.get(
                "/v1/search", wire.SearchReply, q=request.words, limit=request.limit,
                since=request.since, until=request.until, source=request.sources or None,
                tag=request.tags or None, use=request.use,
            )  # fmt: skip
            output.result(found.model_dump(mode="json"), hits(found))
        case ask.Related():
            _related(memory, request, output)
        case ask.Show(name, use):
            kept = _one(memory, name, use)
            output.result(kept.model_dump(mode="json"), kept.content)
        case ask.List():
            _list(memory, request, output)
        case ask.Named("history", name):
            told = memory.get(f"/v1/memories/{name}/history", wire.History)
            output.result(told.model_dump(mode="json"), history(told))
        case ask.Named(_, name):
            life = memory.get(f"/v1/memories/{name}/why", wire.Why)
            output.result(life.model_dump(mode="json"), why(life))
        case _:
            assert_never(request)


def _one(memory: Connection, name: str, use: bool) -> wire.Memory:
    if name.endswith(".md"):
        path = name.removeprefix("/meso/memory/")
        return memory.get("/v1/files", wire.Memory, path=path, use=use)
    return memory.get(f"/v1/memories/{name}", wire.Memory, use=use)


def _related(memory: Connection, request: ask.Related, output: Output) -> None:
    text = text_or_input(request.text) if request.text else ""
    if request.session:
        text = conversation(request.session)
    wanted = wire.RelatedRequest(memory=request.memory, text=text, limit=request.limit)
    found = memory.post("/v1/related", wanted, wire.RelatedReply, once=True)
    shown = "\n".join(f"{hit.id}  {hit.title}\n  {hit.why}" for hit in found.hits)
    output.result(found.model_dump(mode="json"), shown or "nothing is related")


def conversation(session: str) -> str:
    """What was said last in a session."""
    with service("session-manager") as connection:
        entries = list(SessionManager(connection).entries(session))[-LAST_ENTRIES:]
    said = [entry.data.get("message", {}) for entry in entries if entry.type == "message"]
    return "\n".join(_words(one.get("content")) for one in said if isinstance(one, dict))


def _words(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(one["text"] for one in content
                         if isinstance(one, dict) and isinstance(one.get("text"), str))  # fmt: skip
    return ""


def _list(memory: Connection, request: ask.List, output: Output) -> None:
    after: str | None = None
    while True:
        page = memory.get(
            "/v1/memories", wire.MemoryPage, limit=100, after=after, source=request.source,
            tag=request.tag, forgotten=request.forgotten,
        )  # fmt: skip
        for one in page.memories:
            title = one.content.strip().splitlines()[0][:70] if one.content.strip() else ""
            output.line(one.model_dump(mode="json"), f"{one.id}  {title}")
        if (after := page.next) is None:
            return


def stats(memory: Connection, output: Output) -> None:
    """Figures of all memories."""
    found = memory.get("/v1/stats", wire.Stats)
    data = found.model_dump(mode="json")
    lines = [f"{key.replace('_', ' ')}: {json.dumps(value, ensure_ascii=False)}"
             for key, value in data.items() if value != ""]  # fmt: skip
    output.result(data, "\n".join(lines))


def themes(memory: Connection, output: Output) -> None:
    """What memories are about."""
    found = memory.get("/v1/themes", wire.ThemesReply)
    rows = [f"{one.name}  ({len(one.members)} memories, such as {one.members[0]})"
            for one in found.themes]  # fmt: skip
    rows.append(f"{len(found.none)} memories of no theme")
    if found.left_out:
        rows.append(f"{found.left_out} were not looked at")
    output.result(found.model_dump(mode="json"), "\n".join(rows))


def draw(memory: Connection, target: str, *, quick: bool, output: Output) -> None:
    """The landscape as a file on this side."""
    path = Path(target)
    form = path.suffix.removeprefix(".")
    if form not in ("png", "html"):
        raise CliError("cli.bad_target", f"{target} ends in neither .png nor .html.",
                       hint="Such as memories.html.")  # fmt: skip
    method = "pca" if quick else "tsne"
    found = memory.get("/v1/map", wire.MapReply, method=method, format=form)
    try:
        path.write_bytes(base64.b64decode(found.data))
    except OSError as problem:
        raise CliError("cli.not_written", f"cannot write {target}: {problem.strerror}.") from None
    output.result({"file": str(path), "method": method}, f"{path}")


def hits(reply: wire.SearchReply) -> str:
    """What was found, for people."""
    if not reply.hits:
        return f"nothing found in {reply.searched} memories"
    parts = []
    for hit in reply.hits:
        found = f"matched: {', '.join(hit.matched) or 'no word'}"
        found += f"; missing: {', '.join(hit.missing)}" if hit.missing else ""
        if hit.similarity is not None:
            found += f"; similarity {hit.similarity:.2f}"
        found += f"; strength {hit.strength:.2f}; {hit.age_days:.1f} days old"
        if hit.contradicted_by:
            found += f"; contradicted by {', '.join(hit.contradicted_by)}"
        parts.append(f"{hit.id}  ({found})\n  {hit.snippet.strip()}\n  {hit.why}")
    return "\n".join([*parts, *filter(None, [reply.meaning and f"({reply.meaning})"])])


def history(told: wire.History) -> str:
    """Changes, newest first, for people."""
    rows = [f"{one.commit[:12]}  {one.time}  {one.author}: {one.message}" for one in told.commits]
    return "\n".join([*rows, *filter(None, [told.pending])])


def why(life: wire.Why) -> str:
    """A memory's life, for people."""
    head = [
        f"{life.id}: {life.state}, {life.path}",
        f"strength {life.strength:.3f}: {life.explained}",
        f"{life.age_days:.1f} days old, {life.uses} uses, last sign of life "
        f"{life.last_sign_of_life}",
    ]
    if life.contradicts:
        head.append(f"contradicts {', '.join(life.contradicts)}")
    for event in life.events:
        more = " ".join(filter(None, [event.by and f"by {event.by}", event.other, event.about]))
        head.append(f"  {event.time}  {event.kind} {more}".rstrip())
    return "\n".join(head)
