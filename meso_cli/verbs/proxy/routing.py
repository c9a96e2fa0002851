"""`meso proxy explain|routes|status`: where requests to models go, and why."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from meso_cli.actions import Action, nothing, service, text_or_input
from meso_cli.output import CliError, Output, table

if TYPE_CHECKING:
    from meso_services.contract.proxy import ExplainReply, RoutesReply


@dataclass(frozen=True, slots=True)
class Explain:
    """A request, as text; `-` is standard input, read when it runs."""

    text: str
    face: str | None
    path: str | None
    headers: tuple[tuple[str, str], ...]
    client: str | None


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes."""


@dataclass(frozen=True, slots=True)
class Status:
    """The upstreams."""


Request = Explain | Routes | Status


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", metavar="REQUEST.json", help="a file; - reads standard input")
    parser.add_argument("--face", choices=("anthropic", "openai"), help="whose words they are")
    parser.add_argument("--path", metavar="PATH", help="the path, such as /v1/embeddings")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="a header it would have"
    )
    parser.add_argument("--client", metavar="NAME", help="who would ask (default: operator)")


ACTIONS = (
    Action("explain", "say where a request would go, and why", _explain),
    Action("routes", "list the routes", nothing),
    Action("status", "list the upstreams and how they are", nothing),
)


def read(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "explain":
            headers = tuple(_header(text) for text in arguments.header)
            return Explain(
                arguments.request, arguments.face, arguments.path, headers, arguments.client
            )
        case "routes":
            return Routes()
        case _:
            return Status()


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise CliError("proxy.header", f"`{text}` is no header.", hint="NAME:VALUE", status=2)
    return name.strip().lower(), value.strip()


def run(request: Request, output: Output) -> int:
    """Ask the proxy."""
    from meso_services.contract import proxy as wire  # noqa: PLC0415

    with service("api-proxy") as connection:
        match request:
            case Explain():
                asked = wire.ExplainRequest(body=_body(request.text), **_given(request))
                reply = connection.post("/v1/explain", asked, wire.ExplainReply, once=True)
                output.result(reply.model_dump(mode="json"), explained(reply))
                return 1 if reply.refused else 0
            case Routes():
                found = connection.get("/v1/routes", wire.RoutesReply)
                output.result(found.model_dump(mode="json"), _routes(found))
            case Status():
                found = connection.get("/v1/routes", wire.RoutesReply)
                output.result(found.model_dump(mode="json"), _upstreams(found))
            case _:
                assert_never(request)
    return 0


def _given(request: Explain) -> dict[str, Any]:
    given: dict[str, Any] = {"face": request.face, "path": request.path, "client": request.client}
    given["headers"] = dict(request.headers) or None
    return {name: value for name, value in given.items() if value is not None}


def _body(given: str) -> dict[str, Any]:
    try:
        text = text_or_input(given) if given == "-" else Path(given).read_text(encoding="utf-8")
        body = json.loads(text)
    except (OSError, ValueError) as problem:
        raise CliError(
            "proxy.no_request", f"{given}: {problem}", hint="A JSON file is expected."
        ) from problem
    if not isinstance(body, dict):
        raise CliError("proxy.no_request", f"{given}: a JSON object is expected.")
    return body


def explained(reply: ExplainReply) -> str:
    """For people: where it goes, then why."""
    needs = f", needs {', '.join(reply.needs)}" if reply.needs else ""
    lines = [
        f"{reply.face}, model {reply.model}, task {reply.task}, may reach the {reply.privacy}, "
        f"about {reply.tokens} tokens{needs}",
        "",
    ]
    if reply.refused:
        lines.append(f"It goes nowhere: {reply.refused}")
    for place, target in enumerate(reply.chain):
        how = "translated" if target.translated else "as it is"
        lines.append(
            f"{'then' if place else 'goes to'} {target.upstream}, model {target.model} "
            f"({target.place}, {how})"
        )
        if target.left_out:
            lines.append(f"    left out: {', '.join(target.left_out)}")
        if target.cannot:
            lines.append(f"    cannot: {target.cannot}")
    lines += ["", "Considered:"]
    lines += [f"  {'+' if s.taken else '-'} {s.what}: {s.why}" for s in reply.considered]
    return "\n".join(lines)


def _routes(found: RoutesReply) -> str:
    rows = [
        (
            route.name,
            ", ".join(f"{name}={value}" for name, value in route.when.items()) or "always",
            " then ".join(route.to),
            route.prefer,
        )
        for route in found.routes
    ]
    last = ("by-model", "nothing else took it", "the upstream that names the model", "order")
    return table([*rows, last], ("ROUTE", "WHEN", "TO", "PREFER"))


def _upstreams(found: RoutesReply) -> str:
    rows = [
        (
            one.name,
            one.kind,
            one.place,
            one.key,
            one.breaker + (f", again in {one.retry_after:g} s" if one.retry_after else ""),
            one.url,
        )
        for one in found.upstreams
    ]
    return table(rows, ("UPSTREAM", "KIND", "PLACE", "KEY", "STATE", "WHERE"))
