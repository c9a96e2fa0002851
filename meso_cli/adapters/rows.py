"""The platforms, one row each."""

from __future__ import annotations

from meso_cli.adapters.base import Adapter
from meso_cli.adapters.claude_code import ClaudeCode
from meso_cli.adapters.goose import Goose
from meso_cli.adapters.pi import Pi

ADAPTERS: tuple[Adapter, ...] = (ClaudeCode(), Pi(), Goose())
NAMES = tuple(adapter.name for adapter in ADAPTERS)


def find(name: str) -> Adapter:
    """The adapter of that name, which the parser has checked."""
    return next(adapter for adapter in ADAPTERS if adapter.name == name)
