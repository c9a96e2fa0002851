"""The page itself, in Markdown. Equal services give equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meso_cli.adapters.rows import ADAPTERS
from meso_host.protocol.documents import SERVICES, documents
from meso_host.protocol.operations import GROUPS, Operation

HERE = Path(__file__).parent
COMMON = frozenset({"/healthz"})
PLAIN = frozenset({"ErrorReply", "ErrorInfo", "Health", "HealthCheck", "HealthState"})


class ProtocolError(Exception):
    """An operation names a route that its service does not have."""


def page() -> str:
    """The whole of docs/MESO-PROTOCOL.md. Raises ProtocolError."""
    found = documents()
    parts = [
        (HERE / "head.md").read_text().strip(),
        _operations(found),
        _matrix(),
        (HERE / "migration.md").read_text().strip(),
        "## Routes",
        *(_service(name, found[name]) for name in SERVICES),
    ]
    return "\n\n".join(parts) + "\n"


def _operations(found: dict[str, dict[str, Any]]) -> str:
    lines = ["## Operations"]
    for group, operations in GROUPS.items():
        lines += ["", f"### {group}", ""]
        lines += ["| operation | route | MCP tool | command |", "|---|---|---|---|"]
        lines += [_operation(operation, found) for operation in operations]
    return "\n".join(lines)


def _operation(operation: Operation, found: dict[str, dict[str, Any]]) -> str:
    if operation.route is None:
        return f"| `{operation.name}` | not there yet | | {operation.note} |"
    method, path = operation.route.split()
    if method.lower() not in found[operation.service]["paths"].get(path, {}):
        raise ProtocolError(f"{operation.service} has no route {operation.route}")
    tool = f"`{operation.tool}`" if operation.tool else ""
    command = f"`meso {operation.command}`" if operation.command else operation.note
    where = f"`{operation.route}` of {operation.service}"
    return f"| `{operation.name}` | {where} | {tool} | {command} |"


def _matrix() -> str:
    names = [adapter.name for adapter in ADAPTERS]
    lines = [(HERE / "matrix.md").read_text().strip(), ""]
    lines += [f"| capability | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for capability in ADAPTERS[0].capabilities:
        cells = [
            f"**{adapter.capabilities[capability].level}**: {adapter.capabilities[capability].how}"
            for adapter in ADAPTERS
        ]
        lines.append(f"| {capability} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _service(name: str, document: dict[str, Any]) -> str:
    parts = [f"### {name}"]
    for path, item in document["paths"].items():
        if path not in COMMON:
            parts += [_route(method, path, operation) for method, operation in item.items()]
    parts += [_model(model, schema) for model, schema in _models(document)]
    return "\n\n".join(parts)


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"#### `{method.upper()} {path}`", "", operation.get("description", "").strip(), ""]
    query = [p for p in operation.get("parameters", []) if p["in"] in ("query", "header")]
    if query:
        names = ", ".join(f"`{parameter['name']}`" for parameter in query)
        lines.append(f"- query and headers: {names}")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        lines.append(f"- body: {_type(body['schema'])}")
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json")
        if status < "300" and content:
            lines.append(f"- {status}: {_type(content.get('schema', {}))}")
    return "\n".join(lines)


def _models(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in sorted(document["components"]["schemas"].items()):
        if name not in PLAIN and schema.get("properties"):
            yield name, schema


def _model(name: str, schema: dict[str, Any]) -> str:
    lines = [f"**{name}**: {_line(schema.get('description', ''))}", ""]
    lines += ["| field | type | |", "|---|---|---|"]
    required = schema.get("required", [])
    for field, about in schema["properties"].items():
        mark = "" if field in required else " (may be left out)"
        text = _line(about.get("description", "")) + mark
        lines.append(f"| `{field}` | {_type(about)} | {text.strip()} |")
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[key]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))
