"""All pictures of a session on one page, which needs nothing else and reaches nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from meso_services.mind.analysis import ask, lives
from meso_services.mind.analysis.record import Record
from meso_services.mind.plots import svg
from meso_services.mind.plots.charts import CHARTS
from meso_services.mind.plots.scene import Scene

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #222 }
svg { max-width: 100%; height: auto; border: 1px solid #e4e4e4; margin: 0 0 1.5rem }
table { border-collapse: collapse; width: 100%; font-size: 13px }
td, th { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #e4e4e4 }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem }
"""
_COLUMNS = (
    *("cluster", "size", "active", "born", "latest", "state", "coherence", "drift"),
    *("aspect_ratio", "dimensionality", "nearest"),
)


def scenes(record: Record, wanted: Iterable[str] = CHARTS) -> list[Scene]:
    """The pictures, by name."""
    return [CHARTS[name](record) for name in wanted]


def draw(record: Record, pictures: Iterable[Scene]) -> str:
    """The page as HTML."""
    name = escape(record.directory.name)
    facts = ask.overview(record)
    head = f"{facts['iteration']} iterations, {facts['thoughts']} thoughts, "
    head += f"{facts['messages']} messages, {facts['clusters']} clusters"
    drawn = "\n".join(svg.draw(scene) for scene in pictures)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>{_STYLE}</style></head><body>
<h1>{name}</h1><p>{head}. {escape(record.config.embedding_model)}.</p>
{drawn}
<h2>Clusters</h2>
{_table(lives.lives(record))}
</body></html>
"""


def _table(rows: list[dict[str, Any]]) -> str:
    head = "".join(f"<th>{escape(c.replace('_', ' '))}</th>" for c in _COLUMNS)
    return f"<table><tr>{head}</tr>{''.join(map(_row, rows))}</table>"


def _row(row: Mapping[str, Any]) -> str:
    return f"<tr>{''.join(f'<td>{escape(str(row.get(c, chr(32))))}</td>' for c in _COLUMNS)}</tr>"
