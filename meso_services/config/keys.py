"""Every key of the configuration, read off the model.

The schema, the reference document, `diff` and the messages about unknown keys
all take their list from here, so that it is stated once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from meso_services.config.appliance import Appliance
from meso_services.config.mistakes import Key
from meso_services.runtime.settings import Scope

# Stands for a name that the operator chooses, in `network.interfaces.NAME.dhcp`.
ANY_NAME = "NAME"


@dataclass(frozen=True)
class KeyInfo:
    """One key: its path with ANY_NAME for chosen names, and what the model says of it."""

    path: tuple[str, ...]
    scope: Scope
    description: str
    field: FieldInfo
    in_array: bool = False

    @property
    def name(self) -> str:
        """The path as it is written: `services.api_proxy.memory_max`."""
        return ".".join(self.path)


def known_keys() -> list[KeyInfo]:
    """Every key that holds a value; tables themselves are left out."""
    return list(_walk(Appliance, ()))


def scope_of(key: Key) -> Scope:
    """The scope of the key at `key`. Raises KeyError for a key that the model lacks."""
    for info in known_keys():
        if len(info.path) == len(key) and all(
            part in (ANY_NAME, given) for part, given in zip(info.path, key, strict=True)
        ):
            return info.scope
    # An array of tables is moved as one.
    inner = [info.scope for info in known_keys() if info.path[: len(key)] == key]
    if not inner:
        raise KeyError(key)
    return inner[0]


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Key as written in TOML → field."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def model_at(key: Key) -> type[BaseModel] | None:
    """The model of the table at `key`, None where there is no table of ours."""
    model: type[BaseModel] | None = Appliance
    inside_named = False
    for part in key:
        if isinstance(part, int) or inside_named:
            inside_named = False
            continue
        field = fields_of(model).get(part) if model else None
        if field is None:
            return None
        model = child_of(field)
        inside_named = _holds_names(field)
    return None if inside_named else model


def child_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model inside a field: itself, or its array's or table's."""
    return next(_models(field.annotation), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _holds_names(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is dict


def _walk(
    model: type[BaseModel], prefix: tuple[str, ...], in_array: bool = False
) -> Iterator[KeyInfo]:
    # Plain keys first, as TOML wants them.
    tables: list[tuple[tuple[str, ...], FieldInfo, type[BaseModel]]] = []
    for name, field in fields_of(model).items():
        path = (*prefix, name)
        child = child_of(field)
        if child is not None:
            tables.append((path, field, child))
        else:
            extra: Any = field.json_schema_extra
            yield KeyInfo(path, extra["scope"], field.description or "", field, in_array)
    for path, field, child in tables:
        inner = (*path, ANY_NAME) if _holds_names(field) else path
        yield from _walk(child, inner, get_origin(field.annotation) is tuple)
