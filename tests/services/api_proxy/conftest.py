"""A proxy between a client and a loopback model API that speaks both real APIs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from meso_host.testing.model_api import ModelApi, running

QUICK = {"attempts": 1, "first_seconds": 0.01, "longest_seconds": 2.0}


@pytest.fixture
def api() -> Iterator[ModelApi]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def shared_api() -> Iterator[ModelApi]:
    with running() as found:
        yield found


def both(url: str, **more: Any) -> dict[str, Any]:
    """Settings: the same server as an upstream of either kind, told apart by the model's name."""
    return {
        "upstreams": [
            {"name": "claude", "kind": "anthropic", "url": url, "models": ["claude-*", "fault-*"]},
            {"name": "gpt", "kind": "openai", "url": url, "models": ["gpt-*"], **more},
        ],
        "retry": QUICK,
    }
