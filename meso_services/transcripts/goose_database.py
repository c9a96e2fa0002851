"""Goose's database, schema 17, as its JSON of one session and back.

Columns that are known become the JSON's fields; what else a row has is carried in `meso_row`, so
that a database that is written again has it. No real Goose has judged this.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from meso_services.runtime.errors import MesoError
from meso_services.transcripts.lines import Record

SCHEMA = 17
NEEDED = {
    "sessions": {"id", "working_dir"},
    "messages": {"session_id", "role", "content_json"},
}
# Columns that hold JSON, and the field that their content is.
_JSON = {"extension_data": "extension_data", "recipe_json": "recipe",
         "user_recipe_values_json": "user_recipe_values",
         "model_config_json": "model_config"}  # fmt: skip


def sessions(database: sqlite3.Connection) -> list[str]:
    """The ids of all sessions. Raises `import.unknown_format`."""
    for table, columns in NEEDED.items():
        if missing := columns - set(_columns(database, table)):
            raise MesoError(
                "import.unknown_format",
                f"this is no database of Goose: {table} has no {', '.join(sorted(missing))}",
                status=422,
                hint=f"schema {SCHEMA} is known",
            )
    return [str(row[0]) for row in database.execute("SELECT id FROM sessions ORDER BY rowid")]


def document(database: sqlite3.Connection, ident: str) -> bytes:
    """One session as JSON."""
    row = _rows(database, "SELECT * FROM sessions WHERE id=?", (ident,))[0]
    made: Record = {}
    odd: list[str] = []
    for name, value in row.items():
        field = _JSON.get(name)
        if field is None:
            made[name] = _plain(value)
        elif value is not None:
            made[field] = _parsed(value)
            odd.append(name)
    order = "id" if "id" in _columns(database, "messages") else "rowid"
    found = _rows(database, f"SELECT * FROM messages WHERE session_id=? ORDER BY {order}", (ident,))  # noqa: S608
    made["conversation"] = [_message(one) for one in found]
    if _columns(database, "usage_ledger"):
        used = _rows(database, "SELECT * FROM usage_ledger WHERE session_id=?", (ident,))
        made["meso_usage_ledger"] = [{k: _plain(v) for k, v in one.items()} for one in used]
    return json.dumps(made, ensure_ascii=False).encode(errors="replace")


def _message(row: Record) -> Record:
    known = ("message_id", "role", "created_timestamp", "content_json", "metadata_json")
    made: Record = {
        "id": row.get("message_id"),
        "role": row.get("role"),
        "created": row.get("created_timestamp"),
        "content": _parsed(row.get("content_json")),
        "metadata": _parsed(row.get("metadata_json")),
    }
    rest = {name: _plain(value) for name, value in row.items() if name not in known}
    return made | {"meso_row": rest}


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def _rows(database: sqlite3.Connection, query: str, given: Sequence[Any]) -> list[Record]:
    cursor = database.execute(query, given)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _parsed(value: object) -> object:
    if not isinstance(value, str):
        return _plain(value)
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _plain(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, bytes) else value
