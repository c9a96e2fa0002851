"""The JSON schema (draft 2020-12) that editors complete and check with.

`docs/meso-config.schema.json` is this, written down. A TOML file names it in its
first line: `#:schema ../docs/meso-config.schema.json`.
"""

from __future__ import annotations

from typing import Any

from meso_services.config.appliance import Appliance

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MOVES = {
    "generation": "Changed by a switch.",
    "image": "Changed by an update of the operating system.",
    "flash": "Fixed when the disk is written.",
}


def schema() -> dict[str, Any]:
    """The schema of `configs/NAME.toml` as a JSON object."""
    body = Appliance.model_json_schema(by_alias=True, mode="validation")
    _polish(body)
    return {"$schema": DIALECT, "title": "MESO OS appliance", **body}


def _polish(part: Any) -> None:
    """Say scopes where editors show them, and drop names that only Python needs."""
    if isinstance(part, list):
        for each in part:
            _polish(each)
    if not isinstance(part, dict):
        return
    if isinstance(part.get("title"), str):
        del part["title"]
    if isinstance(scope := part.get("scope"), str):
        part["description"] = f"{part['description']} {MOVES[scope]}"
    for each in part.values():
        _polish(each)
