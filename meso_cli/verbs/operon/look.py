"""list, show and why: asked of the appliance, or read from a genome of this computer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from meso_cli.actions import on_this_appliance, service, text_or_input
from meso_cli.output import CliError, Output, table
from meso_cli.verbs.operon.requests import Look, Situation
from meso_services.contract import identity as wire
from meso_services.genome.load import Loaded
from meso_services.genome.match import Matcher
from meso_services.genome.show import identity as views
from meso_services.genome.show import read_identity_at
from meso_services.genome.situation import Situation as Around

HEAD = ("NAME", "VERSION", "TOKENS", "FROM", "DESCRIPTION")
BUDGET = 8000


def run(request: Look, output: Output) -> int:
    """Answer from the directory, or from the service."""
    if request.genome is not None:
        return _local(request, _loaded(request.genome), output)
    on_this_appliance("operon", "or --genome DIR for a genome of this computer")
    with service("operon-loader") as connection:
        match request.what:
            case "list":
                return _list(connection.get("/v1/operons", wire.OperonsReply), output)
            case "show":
                operon = connection.get(f"/v1/operons/{request.name}", wire.Operon)
                output.result(operon.model_dump(mode="json"), operon.text)
            case "why":
                wanted = wire.MatchRequest.model_validate(_given(request.situation))
                reply = connection.post("/v1/operons/match", wanted, wire.MatchReply, once=True)
                output.result(reply.model_dump(mode="json"), why_text(reply))
    return 0


def _loaded(place: Path) -> Loaded:
    try:
        return read_identity_at(place)
    except FileNotFoundError:
        raise CliError(
            "operon.no_genome",
            f"{place} is neither a genome nor a generation.",
            hint="A genome has STANDING-ORDERS.md, zooids/ and operons/.",
        ) from None


def _local(request: Look, loaded: Loaded, output: Output) -> int:
    match request.what:
        case "list":
            return _list(views.operons(loaded), output)
        case "show":
            for operon in loaded.operons:
                if operon.head.name == request.name:
                    shown = views.summary(operon, "generation").model_dump(mode="json")
                    output.result({**shown, "text": operon.text}, operon.text)
                    return 0
            raise CliError("identity.no_such_operon", f"there is no operon {request.name} there.")
        case "why":
            given = wire.MatchRequest.model_validate(_given(request.situation))
            around = Around(
                given.text, given.files, given.tools, given.tasks, given.now or datetime.now()
            )
            budget = BUDGET if given.budget_tokens is None else given.budget_tokens
            matcher = Matcher(loaded.operons)
            notes = ("similar meanings are judged on the appliance only",)
            reply = views.match(
                matcher.match(around, budget), budget, notes if matcher.similar() else ()
            )
            output.result(reply.model_dump(mode="json"), why_text(reply))
    return 0


def _list(found: wire.OperonsReply, output: Output) -> int:
    rows = [(o.name, o.version, str(o.tokens), o.origin, o.description) for o in found.operons]
    text = table(rows, HEAD)
    text += "".join(f"\n! {p.where}: {p.key}: {p.problem}" for p in found.problems)
    output.result(found.model_dump(mode="json"), text)
    return int(bool(found.problems))


def _given(situation: Situation | None) -> dict[str, object]:
    if situation is None:
        return {}
    given = {
        "text": text_or_input(situation.text),
        "files": situation.files,
        "tools": situation.tools,
        "tasks": situation.tasks,
        "now": situation.now,
        "budget_tokens": situation.budget,
    }
    return {key: value for key, value in given.items() if value not in (None, ())}


def why_text(reply: wire.MatchReply) -> str:
    """What loads and why, for people."""
    lines = [_because(operon, "loads") for operon in reply.loaded]
    lines += [_because(operon, f"left out: {operon.note}") for operon in reply.left_out]
    if not lines:
        lines.append("no operon loads for this")
    lines.append(f"{reply.tokens} of {reply.budget_tokens} tokens")
    return "\n".join([*lines, *(f"note: {note}" for note in reply.notes)])


def _because(operon: wire.MatchedOperon, verdict: str) -> str:
    said = ", ".join(_reason(reason) for reason in operon.reasons)
    return f"{operon.name} {operon.version}, {operon.tokens} tokens: {verdict} ({said})"


def _reason(reason: wire.MatchReason) -> str:
    if reason.kind == "required":
        return f"required by {reason.trigger}"
    place = "" if reason.offset is None else f" at {reason.offset}"
    return f"{reason.kind} {reason.trigger!r}{place}: {reason.found!r}"
