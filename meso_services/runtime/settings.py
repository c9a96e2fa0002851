"""How a service declares its settings: fields with a description and a scope.

The scope says which mechanism moves a key (see docs/configuration.md):
`generation` by a switch, `image` by an update of the operating system, `flash`
only by writing the disk again. Imports only the standard library and pydantic,
because the image build validates the configuration with nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from meso_services.runtime.sizes import Size

Scope = Literal["generation", "image", "flash"]


class Model(BaseModel):
    """Base of every settings model: frozen, strict, and an unknown key is an error.

    Strict models take JSON (arrays become tuples, but "5" is no number): validate
    them with `model_validate_json`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the rendered file of a generation, such as `config/session-manager.json`.

        Raises OSError or pydantic's ValidationError.
        """
        return cls.model_validate_json(path.read_bytes())

    def render(self) -> dict[str, Any]:
        """The JSON object that `read` takes back; sizes are strings with units."""
        rendered: dict[str, Any] = json.loads(self.model_dump_json(by_alias=True))
        return rendered


def setting(
    default: Any = ...,
    *,
    description: str,
    scope: Scope = "generation",
    examples: list[Any] | None = None,
    **constraints: Any,
) -> Any:
    """Declare one key.

    `default` is its value when the file leaves it out, checked like a value of the
    file (`...`: the file must give it). A callable is called for the default.
    `constraints` go to pydantic's `Field`: `ge`, `le`, `min_length`, `pattern`, ….
    """
    constraints |= {"description": description, "json_schema_extra": {"scope": scope}}
    if examples is not None:
        constraints["examples"] = examples
    if default is ...:
        return Field(**constraints)
    if callable(default):
        return Field(default_factory=default, validate_default=True, **constraints)
    return Field(default, validate_default=True, **constraints)


def table(model: Any, description: str) -> Any:
    """Declare a table of keys; `model()` is its value when the file leaves it out."""
    return Field(default_factory=model, description=description)


def memory_limit(default: str) -> Any:
    """Declare `memory_max`. The service's unit (modules/units) states the same default."""
    return setting(
        default,
        description="Memory above which the kernel stops the service (systemd's MemoryMax).",
        examples=["256M", "1G"],
    )


class ServiceSettings(Model):
    """What every service offers. A service's own `Settings` extends it."""

    memory_max: Size = memory_limit("256M")
    max_body: Size = setting(
        "8M",
        description="Largest request body taken. A larger one is answered with 413.",
        examples=["8M"],
    )
    max_requests: int = setting(
        64,
        ge=1,
        le=4096,
        description="Requests served at once. One more is answered with 503 and Retry-After.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", description="Least severity that the service writes to the journal."
    )
    max_connections: int = setting(
        256,
        ge=1,
        le=65536,
        description="Connections held at once. One more is answered with 503 and closed.",
    )
    header_seconds: float = setting(
        10.0, gt=0, le=600, description="Seconds a client has to send a request's head."
    )
    idle_seconds: float = setting(
        30.0,
        gt=0,
        le=3600,
        description="Longest silence, in seconds, in the middle of a request or of its answer.",
    )
    keep_alive_seconds: int = setting(
        60, ge=1, le=3600, description="Seconds for which an idle connection is kept open."
    )
    drain_seconds: int = setting(
        20, ge=1, le=25, description="Seconds that running requests get when the service stops."
    )
    health_seconds: float = setting(
        5.0, gt=0, le=60, description="Seconds after which a health check counts as failed."
    )
