"""The demonstration service, started like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).with_name("demo.py")


@pytest.fixture
def demo(service: Any) -> Callable[..., Any]:
    """`demo({...settings})` starts it."""

    def begin(settings: dict[str, Any] | None = None, **more: Any) -> Any:
        return service("demo", settings, program=(str(DEMO),), **more)

    return begin


@pytest.fixture(scope="module")
def plain(shared_service: Any) -> Any:
    """The same with its default settings, one process for a whole file."""
    return shared_service("demo", program=(str(DEMO),))
