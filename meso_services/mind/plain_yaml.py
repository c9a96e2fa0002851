"""YAML in which every scalar is text: for replies, where `no` and `1.10` are words.

No aliases, no types, bounded depth: what it takes cannot grow.
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_DEPTH = 8


class PlainYamlError(ValueError):
    """Not YAML that is taken here."""


class _Loader(yaml.BaseLoader):
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if isinstance(self.peek_event(), yaml.AliasEvent):  # type: ignore[no-untyped-call]
            raise PlainYamlError("an alias")
        if self.depth == MAX_DEPTH:
            raise PlainYamlError("nested too deeply")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
            raise PlainYamlError("a key that is not a word")
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) != len(node.value):
            raise PlainYamlError("a key that is given twice")
        return found


def load(text: str) -> Any:
    """One document's value. Raises PlainYamlError."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - texts only, no tags are constructed
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise PlainYamlError(str(problem)[:200]) from None
