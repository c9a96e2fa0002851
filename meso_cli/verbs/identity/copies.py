"""zooids, edit, conflicts and resolve: the instance's own copies, by the operon loader."""

from __future__ import annotations

import difflib
import hashlib

from meso_cli.actions import on_this_appliance, service
from meso_cli.output import CliError, Output, table
from meso_cli.verbs.identity import Edit, Resolve, Zooids, text_of
from meso_services.contract import zooids as wire
from meso_services.contract.client import Connection


def show(request: Zooids, output: Output) -> int:
    """All copies, or (exit status 1 when there are any) the conflicts with their texts."""
    on_this_appliance("identity")
    with service("operon-loader") as connection:
        copies = connection.get("/v1/zooids/copies", wire.ZooidCopies).copies
    if request.conflicts:
        found = [copy for copy in copies if copy.state == "conflict"]
        text = "\n\n".join(map(_conflict, found)) or "nothing contradicts itself"
        output.result({"conflicts": [c.model_dump(mode="json") for c in found]}, text)
        return int(bool(found))
    rows = [(copy.name, copy.state, copy.reason) for copy in copies]
    document = {"copies": [c.model_dump(mode="json") for c in copies]}
    output.result(document, table(rows, ("NAME", "STATE", "")))
    return 0


def _conflict(copy: wire.ZooidCopy) -> str:
    lines = [f"{copy.name} {copy.reason}. The local text is in force."]
    for place in copy.contradictions:
        lines.append(f"line {place.line}:")
        for label, text in (("was", place.base), ("here", place.mine), ("update", place.theirs)):
            lines += [f"  {label.ljust(6)}| {_safe(line)}" for line in text.splitlines() or [""]]
    lines.append(f"settle it: meso identity resolve {copy.name} --keep mine|theirs, or --text FILE")
    return "\n".join(lines)


def edit(request: Edit, output: Output) -> int:
    """Replace the local copy; `meso identity revert` takes the generation's again."""
    on_this_appliance("identity")
    new = None if request.text is None else text_of(request.text)
    with service("operon-loader") as connection:
        copies = connection.get("/v1/zooids/copies", wire.ZooidCopies).copies
        mine = next((copy.mine for copy in copies if copy.name == request.name), None)
        changed = _diff(mine or "", new or "")
        if request.dry_run:
            output.result({"done": False, "diff": changed}, changed or "nothing would change")
            return 0
        digest = hashlib.sha256((mine or "").encode()).hexdigest()
        body = wire.EditZooid.model_validate({"text": new, "mine_sha256": digest})
        done = connection.put(f"/v1/zooids/{request.name}", body, wire.ZooidCopy)
    output.result(done.model_dump(mode="json"), f"{changed}\n{done.name}: {done.state}".lstrip())
    return 0


def resolve(request: Resolve, output: Output) -> int:
    """Settle a conflict, or go back to the generation's text."""
    on_this_appliance("identity")
    text = text_of(request.text) if request.text else None
    body = wire.ResolveZooid.model_validate({"keep": request.keep, "text": text})
    with service("operon-loader") as connection:
        _require(connection, request.name)
        path = f"/v1/zooids/{request.name}/resolve"
        done = connection.post(path, body, wire.ZooidCopy, once=True)
    output.result(done.model_dump(mode="json"), f"{done.name}: {done.state}")
    return 0


def _require(connection: Connection, name: str) -> None:
    copies = connection.get("/v1/zooids/copies", wire.ZooidCopies).copies
    if name not in [copy.name for copy in copies]:
        known = ", ".join(copy.name for copy in copies)
        raise CliError("zooid.not_found", f"there is no zooid {name}.", hint=f"There are {known}.")


def _diff(old: str, new: str) -> str:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "here", "new", lineterm="")
    return "\n".join(map(_safe, lines))


def _safe(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else f"\\u{ord(c):04x}" for c in text)
