"""Is a call one that the operator declared? Nothing else ever reaches a node."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from meso_services.api_proxy.upstreams.settings import Command, Parameter, Upstream
from meso_services.contract.edge import Value
from meso_services.runtime.errors import MesoError


def declared(node: Upstream, command: str, arguments: Mapping[str, Value]) -> Command:
    """The command, if the arguments fit it. Raises `edge.unknown_command`, `edge.arguments`."""
    found = next((one for one in node.commands if one.tool == command), None)
    if found is None:
        names = ", ".join(one.tool for one in node.commands) or "none"
        raise MesoError(
            "edge.unknown_command",
            f"{node.name} declares no command {command} (it has: {names})",
            status=404,
            hint="services.api_proxy.upstreams.commands declares them",
        )
    known = {parameter.name: parameter for parameter in found.parameters}
    for name, value in arguments.items():
        if name not in known:
            raise _wrong(command, name, "is not declared")
        if problem := _unfit(known[name], value):
            raise _wrong(command, name, problem)
    for parameter in found.parameters:
        if parameter.required and parameter.name not in arguments:
            raise _wrong(command, parameter.name, "is missing")
    return found


def _unfit(parameter: Parameter, value: Value) -> str:
    match parameter.type:
        case "boolean":
            return "" if isinstance(value, bool) else "must be true or false"
        case "word":
            return "" if value in parameter.words else f"must be of {', '.join(parameter.words)}"
        case "integer" | "number":
            return _unfit_number(parameter, value)


def _unfit_number(parameter: Parameter, value: Any) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if parameter.type == "integer" and not whole:
        return "must be a whole number"
    if not whole and not (isinstance(value, float) and math.isfinite(value)):
        return "must be a number"
    least, most = parameter.minimum, parameter.maximum
    if least is not None and value < least:
        return f"must be at least {least:g}"
    return f"must be at most {most:g}" if most is not None and value > most else ""


def _wrong(command: str, name: str, problem: str) -> MesoError:
    return MesoError("edge.arguments", f"{command}: {name} {problem}", status=422)
