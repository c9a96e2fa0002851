"""The help page of a verb: what it does, and examples that work as they stand."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

MAX_WIDTH = 88


@dataclass(frozen=True, slots=True)
class Page:
    """`text` is prose, wrapped by hand; `examples` are (command, what it does) pairs."""

    text: str
    examples: tuple[tuple[str, str], ...]

    def epilog(self) -> str:
        """The examples as they stand under the options."""
        lines = [f"  {command}\n      {meaning}" for command, meaning in self.examples]
        return "examples:\n" + "\n".join(lines)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=MAX_WIDTH)


def parser_for(prog: str, summary: str, page: Page) -> argparse.ArgumentParser:
    """An empty parser with the verb's page; the verb adds its own arguments."""
    return argparse.ArgumentParser(
        prog=prog,
        description=f"{prog} - {summary}\n\n{page.text.strip()}",
        epilog=page.epilog(),
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
