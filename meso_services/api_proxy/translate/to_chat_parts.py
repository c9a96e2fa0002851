"""Content parts of the Messages API in the words of chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meso_services.api_proxy.translate.request import blocks, compact, invalid, text_of
from meso_services.api_proxy.upstreams.dialects import Dialect
from meso_services.api_proxy.upstreams.plan import UntranslatableError

Object = dict[str, Any]
# What a failed tool's result begins with: that API has no field for it.
FAILED = "Error: "


def user_parts(
    parts: list[Mapping[str, Any]], dialect: Dialect, left_out: list[str]
) -> list[Object]:
    """What a user said. Raises UntranslatableError."""
    return [_part(part, dialect, left_out) for part in parts]


def _part(part: Mapping[str, Any], dialect: Dialect, left_out: list[str]) -> Object:
    match part.get("type"):
        case "text":
            mark = part.get("cache_control") if dialect.cache_control else None
            text = {"type": "text", "text": text_of(part, "messages.content")}
            return text | ({"cache_control": mark} if mark else {})
        case "image":
            return image(part, dialect)
        case "document":
            if part.get("citations"):
                left_out.append("citations")
            return _document(part)
        case "search_result":
            left_out.append("search_result as a source")
            return {"type": "text", "text": _search_result(part)}
        case kind:
            raise UntranslatableError(f"a content block {kind}")


def image(part: Mapping[str, Any], dialect: Dialect) -> Object:
    """A picture: inside the request, or by its address."""
    source = _source(part)
    match source.get("type"):
        case "base64":
            url = f"data:{source.get('media_type')};base64,{source.get('data')}"
        case "url" if dialect.image_urls:
            url = str(source.get("url"))
        case kind:
            raise UntranslatableError(f"an image by {kind}")
    return {"type": "image_url", "image_url": {"url": url}}


def _document(part: Mapping[str, Any]) -> Object:
    source = _source(part)
    match source.get("type"):
        case "text":
            title = f"{part['title']}\n\n" if part.get("title") else ""
            return {"type": "text", "text": f"{title}{source.get('data')}"}
        case "base64":
            data = f"data:{source.get('media_type')};base64,{source.get('data')}"
            name = str(part.get("title") or "document.pdf")
            return {"type": "file", "file": {"filename": name, "file_data": data}}
        case kind:
            raise UntranslatableError(f"a document by {kind}")


def tool_result(part: Mapping[str, Any], dialect: Dialect) -> tuple[Object, list[Object]]:
    """The result as a message, and the pictures and files in it, for which that has no place."""
    call = part.get("tool_use_id")
    if not isinstance(call, str):
        raise invalid("tool_result: tool_use_id is expected")
    texts: list[str] = []
    pictures: list[Object] = []
    for inner in blocks(part.get("content"), "tool_result.content"):
        match inner.get("type"):
            case "text":
                texts.append(text_of(inner, "tool_result.content"))
            case "image":
                texts.append(f"(image {len(pictures) + 1} of this result follows)")
                pictures.append(image(inner, dialect))
            case "search_result":
                texts.append(_search_result(inner))
            case "document":
                document = _document(inner)
                if document["type"] == "text":
                    texts.append(document["text"])
                else:
                    pictures.append(document)
                    texts.append(f"(file {len(pictures)} of this result follows)")
            case kind:
                raise UntranslatableError(f"a content block {kind} in a tool's result")
    text = (FAILED if part.get("is_error") else "") + "\n\n".join(texts)
    return {"role": "tool", "tool_call_id": call, "content": text}, pictures


def _search_result(part: Mapping[str, Any]) -> str:
    body = "\n".join(str(inner.get("text", "")) for inner in blocks(part.get("content"), "content"))
    return f"{part.get('title')} ({part.get('source')})\n{body}"


def _source(part: Mapping[str, Any]) -> Mapping[str, Any]:
    source = part.get("source")
    if not isinstance(source, dict):
        raise invalid(f"{part.get('type')}: a source is expected, not {compact(source)[:40]}")
    return source
