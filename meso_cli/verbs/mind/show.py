"""What `mind` prints for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meso_cli.output import table


def page(values: Mapping[str, Any], lead: str = "") -> str:
    """Keys and values, nested ones indented."""
    found = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found += [f"{lead}{key}:", page(value, lead + "  ")]
        else:
            found.append(f"{lead}{key}: {value if value != {} else '-'}")
    return "\n".join(found)


def progress(report: Mapping[str, Any]) -> str:
    """One line for one mind's iteration."""
    parts = [f"iteration {report['iteration']}, {report['mind'] or 'auditors'}:"]
    parts.append("silent" if report["skip"] else f"{len(report['thoughts'])} thoughts")
    parts += [f"{report['joined']} joined a cluster"] if report["joined"] else []
    parts += [f"{len(report['new_clusters'])} new clusters"] if report["new_clusters"] else []
    parts += [f"{len(report['split'])} clusters split"] if report.get("split") else []
    parts += [f"left out: {one}" for one in report["dropped"]]
    parts += [f"ALERT {one}" for one in report["alerts"]]
    return " ".join(parts[:1]) + " " + ", ".join(parts[1:])


def said(report: Mapping[str, Any]) -> Iterable[str]:
    """What the mind wrote to others, and its drafts."""
    for one in report["messages"]:
        yield f"{report['mind']} to {one['to']}:\n{one['text']}\n"
    for text in report["drafts"]:
        yield f"{report['mind']} proposes (mind drafts, mind accept):\n{text}\n"


def clusters(rows: Iterable[Mapping[str, Any]]) -> str:
    """The registry as a table."""
    cells = [
        (r["name"], str(r["size"]), str(r["active"]), f"{r['coherence']:.2f}", r["nearest"][:60])
        for r in rows
    ]
    return table(cells, ("CLUSTER", "SIZE", "ACTIVE", "COHERENCE", "LIKE")) if cells else "none yet"


def split(rows: Iterable[Mapping[str, Any]]) -> str:
    """What a split did, or would do."""
    lines = [f"{r['cluster']}: {r['thoughts']} thoughts, like: {r['nearest']}" for r in rows]
    return "\n".join(lines) if lines else "it is of one piece"
