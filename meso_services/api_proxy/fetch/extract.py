"""The text of an HTML page: a program of its own, so that a hostile page can be stopped.

Reads HTML on standard input and writes JSON: `title`, `text`, `hidden` (texts that the page does
not show to people). Imports only the standard library; started with `python3 -I`.
"""

from __future__ import annotations

import html.parser
import json
import re
import sys

SILENT = frozenset(
    {"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "canvas"}
)
# These never have an end.
VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta"),
        *("source", "track", "wbr"),
    }
)
BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt"),
        *("fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5"),
        *("h6", "head", "header", "hr", "html", "li", "main", "nav", "ol", "option", "p"),
        *("pre", "section", "select", "table", "td", "textarea", "th", "title", "tr", "ul"),
    }
)
_UNSEEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d])|font-size\s*:\s*0(?!\.)",
    re.IGNORECASE,
)
MAX_HIDDEN = 50
MAX_DEPTH = 512


class Page(html.parser.HTMLParser):
    """Collects what a reader sees, and apart from it what the page hides."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.text: list[str] = []
        self.hidden: list[str] = []
        # Open elements: name, and whether what is in them is silent, hidden or shown.
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.text.append("\n")
        if tag in VOID or len(self._open) >= MAX_DEPTH:
            return
        mode = self._mode
        if tag in SILENT:
            mode = "silent"
        elif mode == "shown" and _unseen(attrs):
            mode = "hidden"
        self._open.append((tag, mode))

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.text.append("\n")
        for number in range(len(self._open) - 1, max(-1, len(self._open) - 64), -1):
            if self._open[number][0] == tag:
                del self._open[number:]
                return

    def handle_data(self, data: str) -> None:
        match self._mode:
            case "shown" if any(tag == "title" for tag, _ in self._open[-2:]):
                self.title.append(data)
            case "shown":
                self.text.append(data)
            case "hidden" if data.strip():
                self._hide(data)
            case _:
                pass

    def handle_comment(self, data: str) -> None:
        if len(data.split()) > 3:
            self._hide(data)

    @property
    def _mode(self) -> str:
        return self._open[-1][1] if self._open else "shown"

    def _hide(self, data: str) -> None:
        if len(self.hidden) < MAX_HIDDEN:
            self.hidden.append(" ".join(data.split())[:500])


def _unseen(attrs: list[tuple[str, str | None]]) -> bool:
    given = dict(attrs)
    style = given.get("style") or ""
    return "hidden" in given or given.get("aria-hidden") == "true" or bool(_UNSEEN.search(style))


def tidy(pieces: list[str]) -> str:
    """One blank between words, at most one empty line between paragraphs."""
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def main() -> None:
    """The program."""
    page = Page()
    page.feed(sys.stdin.buffer.read().decode("utf-8", "replace"))
    page.close()
    found = {"title": tidy(page.title)[:300], "text": tidy(page.text), "hidden": page.hidden}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
