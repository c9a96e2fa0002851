"""What is known of a request before it goes anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from meso_services.api_proxy.document import Document
from meso_services.api_proxy.faces.face import Action, Face
from meso_services.api_proxy.upstreams.settings import PLACES, Need, Place
from meso_services.runtime.errors import MesoError

PRIVACY, TASK, SESSION = "x-meso-privacy", "x-meso-task", "x-meso-session"
# A client that cannot set headers says the same in the body's metadata.
IN_METADATA = {PRIVACY: "meso_privacy", TASK: "meso_task", SESSION: "meso_session"}
# Clients that name their sessions by themselves, so that a session's budget holds for them too.
THEIR_SESSION = ("x-claude-code-session-id",)
# English text has about four bytes a token; only a rough size is needed.
BYTES_PER_TOKEN = 4
# It stands in sums, labels and lines; the longest real names have about two hundred letters.
MAX_MODEL = 512
_WORD = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PARTS: dict[str, Need] = {
    **{"image": "images", "image_url": "images", "input_image": "images"},
    **{"document": "documents", "file": "documents", "input_file": "documents"},
}


@dataclass(frozen=True)
class Facts:
    """One request. `place` is how far it may travel; `task` what it says of itself, or ""."""

    face: Face
    action: Action
    document: Document
    model: str
    stream: bool
    place: Place
    task: str
    session: str | None
    client: str

    @property
    def tokens(self) -> int:
        """Its size, roughly, in tokens."""
        return len(self.document.raw) // BYTES_PER_TOKEN

    @cached_property
    def needs(self) -> frozenset[Need]:
        """What a model must be able to do to answer it."""
        keys = self.document.keys
        found: set[Need] = {_PARTS[kind] for kind in _part_types(keys) if kind in _PARTS}
        if keys.get("tools") or keys.get("functions"):
            found.add("tools")
        thinking = keys.get("thinking")
        effort = keys.get("reasoning_effort")
        if isinstance(thinking, dict) and thinking.get("type") != "disabled":
            found.add("thinking")
        if isinstance(effort, str) and effort != "none":
            found.add("thinking")
        if _structured(keys):
            found.add("structured")
        return frozenset(found)

    @cached_property
    def kind(self) -> str:
        """The kind of task: the request's own word, else what it looks like."""
        if self.task:
            return self.task
        if self.action is Action.EMBEDDINGS:
            return "embedding"
        if self.action is Action.COUNT_TOKENS:
            return "count"
        return next((t for n, t in _LOOKS.items() if n in self.needs), "chat")

    @property
    def answers(self) -> bool:
        """False where the answer holds no tokens that a model made."""
        return self.action not in (Action.EMBEDDINGS, Action.COUNT_TOKENS)

    @property
    def free(self) -> bool:
        """True for what no provider charges for."""
        return self.action is Action.COUNT_TOKENS

    @cached_property
    def max_output(self) -> int | None:
        """The bound on the answer that the request itself gives, in tokens."""
        if not self.answers:
            return 0
        for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
            value = self.document.keys.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
        return None


_LOOKS: dict[Need, str] = {"images": "vision", "tools": "tools"}


def gather(
    face: Face, action: Action, document: Document, headers: Mapping[str, str], client: str
) -> Facts:
    """Read a request. Raises `request.invalid` where a value that counts is not usable."""
    keys = document.keys
    model = keys.get("model")
    if not isinstance(model, str) or not model:
        raise _invalid("model: the body must be an object that names a model")
    if len(model) > MAX_MODEL or not model.isprintable():
        raise _invalid(f"model: at most {MAX_MODEL} printable characters are expected")
    stream = keys.get("stream", False)
    if stream not in (True, False, None):
        raise _invalid("stream: true or false is expected")
    marks = _marks(headers, keys.get("metadata"))
    place = marks.get(PRIVACY, "internet")
    if place not in PLACES:
        raise _invalid(f"{PRIVACY}: one of {', '.join(PLACES)} is expected")
    return Facts(
        face=face,
        action=action,
        document=document,
        model=model,
        stream=bool(stream),
        place=place,
        task=marks.get(TASK, ""),
        session=marks.get(SESSION),
        client=client,
    )


def _marks(headers: Mapping[str, str], metadata: Any) -> dict[str, str]:
    """What header and metadata say. Where both mark the privacy, the nearer place counts."""
    inside = metadata if isinstance(metadata, dict) else {}
    found: dict[str, str] = {}
    for header, name in IN_METADATA.items():
        said = [value for value in (headers.get(header), inside.get(name)) if value is not None]
        for value in said:
            if not isinstance(value, str) or not _WORD.fullmatch(value):
                raise _invalid(f"{header}: a short word is expected")
        if header == PRIVACY and len(said) > 1 and set(said) <= set(PLACES):
            said.sort(key=lambda place: PLACES.index(cast(Place, place)))
        if said:
            found[header] = said[0]
    for header in THEIR_SESSION:
        if _WORD.fullmatch(headers.get(header, "")):
            found.setdefault(SESSION, headers[header])
    return found


def cleaned(metadata: Any) -> Any:
    """The metadata without our own marks, which no upstream knows."""
    if not isinstance(metadata, dict):
        return metadata
    ours = set(IN_METADATA.values())
    return {name: value for name, value in metadata.items() if name not in ours}


def marked_inside(document: Document) -> bool:
    """True if the body's metadata holds marks of ours."""
    metadata = document.keys.get("metadata")
    return isinstance(metadata, dict) and not metadata.keys().isdisjoint(IN_METADATA.values())


def _part_types(keys: Mapping[str, Any]) -> Iterator[str]:
    """The types of all content parts, those inside tool results too."""
    for name in ("messages", "input"):
        listed = keys.get(name)
        for message in listed if isinstance(listed, list) else ():
            if isinstance(message, dict):
                yield from _types(message.get("content"))


def _types(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            if isinstance(kind := part.get("type"), str):
                yield kind
            yield from _types(part.get("content"))


def _structured(keys: Mapping[str, Any]) -> bool:
    wanted = keys.get("response_format") or {}
    config = keys.get("output_config") or {}
    return (isinstance(wanted, dict) and wanted.get("type") not in {None, "text"}) or (
        isinstance(config, dict) and config.get("format") is not None
    )


def _invalid(message: str) -> MesoError:
    return MesoError("request.invalid", message, status=400)
