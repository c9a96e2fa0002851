"""The JSON schema of an operon's front matter and tests, for editors; made from the models."""

from __future__ import annotations

from typing import Any

from meso_services.genome.models import OperonHead, OperonTests


def operon_schema() -> dict[str, Any]:
    """The whole describes OPERON.md's head; `$defs.tests` describes tests.yaml."""
    head = OperonHead.model_json_schema(ref_template="#/$defs/{model}")
    tests = OperonTests.model_json_schema(ref_template="#/$defs/{model}")
    definitions = head.pop("$defs", {}) | tests.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Front matter of an operon (OPERON.md), and its tests (tests.yaml)",
        "$ref": "#/$defs/front_matter",
        "$defs": {**definitions, "front_matter": head, "tests": tests},
    }
