"""A translated request, and what of it could not be said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meso_services.runtime.errors import MesoError


@dataclass(frozen=True)
class Translated:
    """The request in the other API's words. `left_out` names what has no counterpart there."""

    keys: dict[str, Any]
    left_out: tuple[str, ...]

    def encode(self) -> bytes:
        """Its bytes. Equal requests give equal bytes, and a longer conversation begins with the
        bytes of the shorter one, so that what a provider keeps of a prompt stays usable."""
        return encoded(compact(self.keys))


def compact(value: Any) -> str:
    """JSON without spaces; keys stay in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encoded(text: str) -> bytes:
    """JSON as bytes. Half of a surrogate pair, which JSON may hold and UTF-8 may not, becomes
    the escape that it came as."""
    return text.encode(errors="backslashreplace")


def blocks(content: Any, where: str) -> list[Mapping[str, Any]]:
    """Content as a list of parts, whichever way it was written. Raises `request.invalid`."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return content
    raise invalid(f"{where}: a text or a list of parts is expected")


def messages_of(keys: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each message with its role. Raises `request.invalid`."""
    listed = keys.get("messages")
    if not isinstance(listed, list) or not listed:
        raise invalid("messages: a list of messages is expected")
    for index, message in enumerate(listed):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str):
            raise invalid(f"messages.{index}: an object with a role is expected")
        yield role, message


def text_of(part: Mapping[str, Any], where: str) -> str:
    """The text of a text part. Raises `request.invalid`."""
    text = part.get("text")
    if not isinstance(text, str):
        raise invalid(f"{where}: a text part without text")
    return text


def tools_of(keys: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The declared tools. Raises `request.invalid`."""
    tools = keys.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise invalid("tools: a list of objects is expected")
    return tools


def invalid(message: str) -> MesoError:
    """The request is not what its own API takes."""
    return MesoError("request.invalid", message, status=400)
