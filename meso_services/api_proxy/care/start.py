"""The care of one process: made at the start, kept through reloads."""

from __future__ import annotations

from meso_services.api_proxy.care.interface import Care
from meso_services.api_proxy.care.plain import Plain
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context


def care_of(context: Context[Settings]) -> Care:
    """The process's care, under the settings of `context`."""
    kept: Care = context.kept.get("care", Plain)
    return kept
