"""The OpenAPI documents of the services, built as the services build them."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

from meso_services.runtime.context import Context, Kept
from meso_services.runtime.paths import Paths
from meso_services.runtime.service import Service

SERVICES = ("session-manager", "tool-executor", "memory-manager", "operon-loader")


def documents() -> dict[str, dict[str, Any]]:
    """Service id → its OpenAPI document. Nothing is served; the stores are empty ones."""
    with tempfile.TemporaryDirectory() as place:
        return {name: _document(name, Path(place)) for name in SERVICES}


def _document(name: str, root: Path) -> dict[str, Any]:
    module = importlib.import_module(f"meso_services.{name.replace('-', '_')}.app")
    service: Service[Any] = module.SERVICE
    kept = Kept()
    try:
        context = Context(name, "1", "none", service.settings(), Paths(root), kept)
        app: Any = service.build(context)
        found: dict[str, Any] = app.openapi()
        return found
    finally:
        kept.close()
