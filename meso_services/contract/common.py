"""What every service's messages share: the frozen base, the error shape, health, checked JSON."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_DEPTH = 64


class Message(BaseModel):
    """Base of every message: immutable, and a key that nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorInfo(Message):
    """What went wrong. `code` is stable and meant for programs, the rest for people."""

    code: str = Field(description="Stable code, `area.reason`, for example `session.not_found`")
    message: str = Field(description="What is wrong, in one or two sentences")
    hint: str = Field(default="", description="What to do about it: a setting, a verb, a value")
    detail: dict[str, Any] = Field(default_factory=dict, description="Facts for programs")


class ErrorReply(Message):
    """The one error shape of every service."""

    error: ErrorInfo


class HealthState(StrEnum):
    """`degraded` passes: the service does its work without something it can miss."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


class HealthCheck(Message):
    """The outcome of one check; `ms` is how long it took."""

    name: str
    ok: bool
    ms: float
    detail: str = ""


class Health(Message):
    """What `GET /healthz` answers."""

    # Not a call's default: clients of a later version must see which shape they got.
    schema_version: int = Field(alias="schema", default=1)
    service: str
    version: str
    generation: str
    state: HealthState
    checks: tuple[HealthCheck, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def check_json(value: Any) -> Any:
    """Return `value` if it can be written as strict JSON; raise ValueError otherwise.

    Python's reader lets NaN, infinities and lone surrogates through. None of them survives
    a round trip through a file that other programs read, so they stop at the door.
    """
    _check_json(value, 0)
    return value


def _check_json(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    match value:
        case str():
            _check_text(value)
        case float() if not math.isfinite(value):
            raise ValueError("NaN and infinities are not JSON")
        case dict():
            for key, item in value.items():
                _check_text(key)
                _check_json(item, depth + 1)
        case list():
            for item in value:
                _check_json(item, depth + 1)
        case _:
            pass


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as broken:
        raise ValueError(f"a lone surrogate at character {broken.start}") from None


JsonObject = Annotated[dict[str, Any], AfterValidator(check_json)]
