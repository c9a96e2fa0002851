"""Content parts of chat completions in the words of the Messages API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meso_services.api_proxy.translate.request import blocks, invalid, text_of
from meso_services.api_proxy.upstreams.plan import UntranslatableError

Object = dict[str, Any]
_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.*)", re.DOTALL)
PDF = "application/pdf"


def user_parts(message: Mapping[str, Any]) -> list[Object]:
    """What a user said. Raises UntranslatableError."""
    parts = [_part(part) for part in blocks(message.get("content"), "messages.content")]
    return said(parts)


def said(parts: list[Object]) -> list[Object]:
    """Without texts that are empty: chat completions take them, the Messages API refuses them."""
    return [part for part in parts if part["type"] != "text" or part["text"]]


def _part(part: Mapping[str, Any]) -> Object:
    match part.get("type"):
        case "text":
            return {"type": "text", "text": text_of(part, "messages.content")}
        case "image_url":
            return {"type": "image", "source": _picture(part.get("image_url"))}
        case "file":
            return _file(part.get("file"))
        case kind:
            raise UntranslatableError(f"a content part {kind}")


def _picture(given: Any) -> Object:
    url = given.get("url") if isinstance(given, dict) else None
    if not isinstance(url, str):
        raise invalid("image_url: an address is expected")
    if found := _DATA.fullmatch(url):
        return {"type": "base64", "media_type": found[1], "data": found[2]}
    return {"type": "url", "url": url}


def _file(given: Any) -> Object:
    data = given.get("file_data") if isinstance(given, dict) else None
    found = _DATA.fullmatch(data) if isinstance(data, str) else None
    if not found or found[1] != PDF:
        raise UntranslatableError("a file that is not a PDF inside the request")
    source = {"type": "base64", "media_type": PDF, "data": found[2]}
    title = given.get("filename")
    return {"type": "document", "source": source} | ({"title": title} if title else {})
