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
            found.append(f"{lead}{key}: {_plain(value)}")
    return "\n".join(found)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None | {} | [] | ():
            return "-"
        case list() | tuple() if all(isinstance(one, (str, int, float)) for one in value):
            return " ".join(map(str, value))
        case _:
            return str(value)


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


def history(rows: Iterable[Mapping[str, Any]]) -> str:
    """Messages with their texts, and actions, one a line."""
    return "\n".join(map(_event, rows)) or "nothing yet"


def _event(row: Mapping[str, Any]) -> str:
    if row["what"] == "message":
        return f"{row['time']}  {row['source']} to {row['to']}: {row['text']}"
    return f"{row['time']}  [{row['what']}] iteration {row['iteration']}"


def drafts(rows: Iterable[Mapping[str, Any]]) -> str:
    """Drafts by their numbers."""
    parts = [f"{row['id']}  (iteration {row['iteration']})\n{row['text']}" for row in rows]
    return "\n".join(parts) or "none"


def members(rows: Iterable[Mapping[str, Any]]) -> str:
    """A cluster's members, each with its distance to the centroid."""
    return "\n".join(
        f"{row['thought']:>6}  {row['distance']:.3f}  {' '.join(row['text'].split())}"
        for row in rows
    )


def debug(what: str, text: str) -> str:
    """A whole request or reply."""
    return f"----- {what} -----\n{text}"


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
