"""One call of the session manager: what is asked, and how the answer is shown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from meso_cli import naming
from meso_cli.output import Output

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `reply` and `body` name messages: `branches.Moved` is in the contract's module
    `branches`. `view` makes text of the answer; without one people get JSON too.
    """

    method: str
    path: str
    reply: str
    body: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    view: Callable[[Document], str] | None = None
    # Send a None as null, where leaving it out means something else.
    nulls: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """An action that is one call."""

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    ask: Callable[[argparse.Namespace], Ask]


def message(name: str) -> type[Any]:
    """The contract's message of that name."""
    import importlib  # noqa: PLC0415 (help needs nothing installed)

    module, _, found = name.rpartition(".")
    kind: type[Any] = getattr(importlib.import_module(f"meso_services.contract.{module}"), found)
    return kind


def call(connection: Any, ask: Ask) -> dict[str, Any]:
    """Ask, and return the answer as a document. Raises CliError, CallError."""
    from urllib.parse import urlencode  # noqa: PLC0415

    ask = _named(connection, ask)

    reply = message(ask.reply)
    given = {name: value for name, value in ask.query.items() if value is not None}
    if ask.method == "GET":
        answer = connection.get(ask.path, reply, **given)
    elif ask.method == "DELETE":
        answer = connection.delete(f"{ask.path}?{urlencode(given)}" if given else ask.path, reply)
    else:
        fields = {k: v for k, v in ask.fields.items() if ask.nulls or v is not None}
        body = message(ask.body).model_validate(fields)
        send = connection.patch if ask.method == "PATCH" else connection.post
        answer = send(ask.path, body, reply)
    document: dict[str, Any] = answer.model_dump(mode="json")
    return document


def _named(connection: Any, ask: Ask) -> Ask:
    """With ids in place of what a person calls a session or a checkpoint."""

    def known(given: Mapping[str, Any]) -> dict[str, Any]:
        word = given.get("session")
        named = {"session": naming.session(connection, word)} if isinstance(word, str) else {}
        return {**given, **named}

    path = naming.path(connection, ask.path)
    return replace(ask, path=path, fields=known(ask.fields), query=known(ask.query))


def show(output: Output, ask: Ask, document: Document) -> None:
    """Print an answer."""
    text = ask.view(document) if ask.view else json.dumps(document, indent=2, ensure_ascii=False)
    output.result(document, text)
