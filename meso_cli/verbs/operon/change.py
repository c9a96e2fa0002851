"""add, update, remove and undo: what it would do is shown, then asked, then done."""

from __future__ import annotations

import sys
from dataclasses import replace

from meso_cli.actions import on_this_appliance, service
from meso_cli.output import CliError, Output, table
from meso_cli.verbs.operon.requests import Change, History, Search
from meso_services.contract import operons as wire
from meso_services.contract.client import Connection


def run(request: Change, output: Output) -> int:
    """Plan, ask, do."""
    on_this_appliance("operon")
    with service("operon-loader") as connection:
        if request.action == "update" and request.name is None:
            return _update_all(request, connection, output)
        document = _one(request, connection, output)
        output.result(document, _said(document))
    return 0


def _update_all(request: Change, connection: Connection, output: Output) -> int:
    found = connection.get("/v1/registry", wire.RegistryReply)
    old = [
        operon
        for operon in found.operons
        if operon.origin in ("registry", "lazy") and operon.here != operon.version
    ]
    done = [_one(replace(request, name=operon.name), connection, output) for operon in old]
    text = "\n".join(map(_said, done)) or "everything is up to date"
    output.result({"changes": done}, text)
    return 0


def _one(request: Change, connection: Connection, output: Output) -> dict[str, object]:
    given = {"action": request.action, "name": request.name, "version": request.version}
    fields = {key: value for key, value in given.items() if value is not None}
    wanted = wire.ChangeRequest.model_validate({**fields, "lazy": request.lazy})
    plan = connection.post("/v1/changes/plan", wanted, wire.ChangePlan, once=True)
    if request.dry_run:
        if not output.json:
            print(plan_text(plan), file=sys.stderr)
        return {"done": False, **plan.model_dump(mode="json")}
    if not request.yes:
        _ask(plan)
    confirmed = wire.ChangeRequest.model_validate(
        {**fields, "lazy": request.lazy, "plan": plan.plan}
    )
    done = connection.post("/v1/changes", confirmed, wire.ChangeDone, once=True)
    return {"done": True, **done.model_dump(mode="json")}


def _ask(plan: wire.ChangePlan) -> None:
    """Raises CliError unless the operator says yes."""
    print(plan_text(plan), file=sys.stderr)
    if not sys.stdin.isatty():
        raise CliError(
            "operon.not_confirmed",
            "nothing was changed: there is no terminal to ask on.",
            hint="Look at the plan above, then say it again with --yes.",
        )
    print(f"{plan.action} {plan.name}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError("operon.not_confirmed", "nothing was changed.")


def plan_text(plan: wire.ChangePlan) -> str:
    """A plan for people: the diff first, what it asks for last, where it is seen."""
    lines = [plan.diff] if plan.diff else []
    versions = " → ".join(v for v in (plan.from_version, plan.to_version) if v)
    lines.append(f"{plan.action} {plan.name} {versions}, {plan.tokens} tokens".replace(" ,", ","))
    if plan.requires:
        lines.append(f"requires: {', '.join(plan.requires)}")
    if plan.capabilities:
        asked = (f"{c.name}{' (new)' if c.new else ''}" for c in plan.capabilities)
        lines.append(f"asks for: {', '.join(asked)} (asked for, not granted)")
    elif plan.to_version:
        lines.append("asks for no capability")
    return "\n".join([*lines, *(f"note: {warning}" for warning in plan.warnings)])


def _said(document: dict[str, object]) -> str:
    if not document["done"]:
        return "nothing was changed (--dry-run)"
    change = document["change"]
    name = change["name"] if isinstance(change, dict) else ""
    action = change["action"] if isinstance(change, dict) else ""
    return f"{action} {name}: done; the identity is {document['identity']}"


def show(request: Search | History, output: Output) -> int:
    """What the registry has, or what was changed."""
    on_this_appliance("operon")
    with service("operon-loader") as connection:
        if isinstance(request, Search):
            query = {"q": request.words} if request.words else {}
            found = connection.get("/v1/registry", wire.RegistryReply, **query)
            output.result(found.model_dump(mode="json"), _listing(found))
        else:
            past = connection.get("/v1/changes", wire.PastChanges)
            rows = [
                (c.id, f"{c.at:%Y-%m-%d %H:%M}", c.what, "undone" if c.undone else "")
                for c in past.changes
            ]
            output.result(past.model_dump(mode="json"), table(rows, ("ID", "AT", "WHAT", "")))
    return 0


def _listing(found: wire.RegistryReply) -> str:
    rows = [
        (o.name, o.version, o.here or "-", str(o.tokens), ", ".join(o.capabilities), o.description)
        for o in found.operons
    ]
    head = ("NAME", "VERSION", "HERE", "TOKENS", "ASKS FOR", "DESCRIPTION")
    lines = [table(rows, head), f"{found.url}, verified {found.verified:%Y-%m-%d %H:%M} UTC"]
    if found.offline:
        lines.append(f"note: offline, as it was verified last: {found.offline}")
    return "\n".join([*lines, *(f"! {problem}" for problem in found.problems)])
