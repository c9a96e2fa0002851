"""YAML for files that people write, without its surprises.

Read by the safe loader only, and stricter: a key that is given twice and an
alias are errors, nesting and size are bounded, and only `null`, `true`,
`false` and numbers are converted. `yes`, `02:30` and `2026-02-05` stay text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16


class DocumentError(ValueError):
    """A document that cannot be accepted. Names the file, the key, and what to do."""

    def __init__(self, where: str, key: str, problem: str) -> None:
        self.where, self.key, self.problem = where, key, problem
        super().__init__(f"{where}: {key}: {problem}" if key else f"{where}: {problem}")


class _Loader(yaml.SafeLoader):
    """The safe loader with the YAML 1.2 core types, without aliases, bounded in depth."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("aliases are not accepted", event)
        if getattr(event, "tag", None) is not None:
            raise _refusal(f"the type mark {event.tag!r} is not accepted", event)
        if self.depth == MAX_DEPTH:
            raise _refusal(f"nested deeper than {MAX_DEPTH} levels", event)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refusal("a key must be a plain word", key)
            if key.value in seen:
                raise _refusal(f"the key {key.value!r} is given twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refusal(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("null", r"^(?:null|~)$", "n~")
_resolve("bool", r"^(?:true|false)$", "tf")
_resolve("int", r"^[-+]?(?:0|[1-9][0-9]{0,18})$", "-+0123456789")
_resolve("float", r"^[-+]?[0-9]{1,32}\.[0-9]{1,32}(?:[eE][-+][0-9]{1,3})?$", "-+0123456789")


class _Dumper(yaml.SafeDumper):
    """The safe dumper, quoting every string that the reader above would read otherwise."""


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    unusual = any(character in value for character in "\x85\u2028\u2029\ufeff\r")
    style = '"' if unusual else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_text)


def load(text: str, where: str) -> Any:
    """Read one YAML document. `where` names it in errors. Raises DocumentError."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise DocumentError(where, "", f"larger than {MAX_BYTES} bytes")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        raise DocumentError(where, "", _explain(error)) from None
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError(where, "", f"not valid YAML: {error}") from None


def load_mapping(text: str, where: str) -> dict[str, Any]:
    """Read a document that must be a mapping with text keys. Empty counts as `{}`."""
    value = load(text, where)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise DocumentError(where, "", "must be a list of `key: value` lines")
    return value


def dump(value: Any) -> str:
    """Write plain data as block YAML: keys in the given order, Unicode as it is."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=1000,
    )
    return text


def _explain(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return f"not valid YAML: {error.problem or error.context}{place}"
