"""Patterns of text that tries to command its reader, and characters that hide something.

Finding one proves nothing, and finding none proves nothing either: the text is untrusted in both
cases. The patterns have no nested repetitions, so a page cannot make them slow.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from meso_services.contract.fetch import FetchWarning

MAX_WARNINGS = 30
EXCERPT = 120
_ALL = r"(?:all |any |the |your |these |those |of |my ){0,4}"
_OLD = r"(?:previous|prior|above|earlier|preceding|former|original|system)"
_ORDERS = r"(?:instruction|prompt|message|rule|guideline|direction|context|command)s?"

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for kind, pattern in (
        (
            "override",
            rf"\b(?:ignore|disregard|forget|override|bypass)\s{{1,5}}{_ALL}{_OLD} {{1,3}}{_ORDERS}",
        ),
        ("override", rf"\b(?:new|updated|real|actual) (?:system )?{_ORDERS}\s{{0,3}}:"),
        ("role", r"\byou are (?:now|no longer) |\bfrom now on,? you (?:are|will|must)\b"),
        ("role", r"\b(?:developer|jailbreak|god|dan|unrestricted) mode\b"),
        ("role", r"^[ \t]{0,8}(?:system|assistant|human|user)[ \t]{0,3}:[ \t]"),
        (
            "marker",
            r"<\|[a-z_]{2,20}\|>|\[/?INST\]|<</?SYS>>"
            r"|</?(?:system|instructions?|assistant|tool_result|tool_use|function_calls|invoke)\b"
            r"[^<>]{0,80}>",
        ),
        (
            "secrets",
            r"\b(?:reveal|show|print|repeat|send|output|leak|disclose|exfiltrate)\b[^.\n]{0,60}\b"
            r"(?:system prompt|api[ _-]?keys?|passwords?|credentials?|secrets?|private keys?|"
            r"environment variables)\b",
        ),
        (
            "secrecy",
            r"\bdo not (?:tell|inform|mention|reveal|show|alert|notify)\b[^.\n]{0,40}\b"
            r"(?:user|operator|human|owner|anyone)\b",
        ),
        (
            "command",
            r"\b(?:curl|wget)\b[^\n|]{0,200}\|\s{0,3}(?:sudo )?(?:ba|z|da)?sh\b"
            r"|\brm -rf [/~]|\bbase64 (?:-d|--decode)\b",
        ),
        ("leak", r"!\[[^\]\n]{0,200}\]\(\s{0,3}https?://[^)\s]{1,500}[?&][^)\s]{0,500}="),
        (
            "addressed",
            r"\b(?:attention|note|message|important|instructions?)\b[^.\n]{0,20}\b"
            r"(?:ai|llm|language model|assistant|chatbot|agent)s?\b",
        ),
    )
)
# Zero-width, direction-changing and tag characters; whatever else is a control character.
_KEPT_CONTROLS = "\n\t"
_TAGS = range(0xE0000, 0xE0080)


def clean(text: str) -> tuple[str, list[FetchWarning]]:
    """`text` without characters that no reader sees, and a word on what they were."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    odd = {char for char in set(text) if _invisible(char)}
    if not odd:
        return text, []
    said = "".join(chr(ord(char) - 0xE0000) for char in text if 0xE0020 <= ord(char) < 0xE007F)
    count = sum(text.count(char) for char in odd)
    names = ", ".join(sorted(f"U+{ord(char):04X}" for char in odd)[:5])
    words = f"{count} invisible characters were removed ({names})"
    words += f"; they spell: {said[:EXCERPT]}" if said else ""
    warning = FetchWarning(kind="invisible", line=0, excerpt=words)
    # Joiners are letters' own in many scripts: alone they raise no alarm.
    harmless = odd <= {"\u200c", "\u200d", "\u00ad", "\ufeff"}
    return text.translate({ord(char): None for char in odd}), [] if harmless else [warning]


def suspicious(text: str, hidden: Sequence[str] = ()) -> list[FetchWarning]:
    """What looks like an attempt, in the order of the text; `hidden` is what the page hid."""
    found = [
        *(FetchWarning(kind="hidden", line=0, excerpt=_short(h)) for h in hidden if _speaks(h)),
        *_matches(text),
    ]
    return found[:MAX_WARNINGS]


def _matches(text: str) -> Iterator[FetchWarning]:
    hits = sorted(
        (match.start(), kind, match[0])
        for kind, pattern in PATTERNS
        for match, _ in zip(pattern.finditer(text), range(MAX_WARNINGS), strict=False)
    )
    for start, kind, words in hits[:MAX_WARNINGS]:
        line = text.count("\n", 0, start) + 1
        column = start - text.rfind("\n", 0, start)
        yield FetchWarning(kind=kind, line=line, column=column, excerpt=_short(words))


def _speaks(hidden: str) -> bool:
    return any(pattern.search(hidden) for _, pattern in PATTERNS)


def _short(words: str) -> str:
    words = " ".join(clean(words)[0].split())
    return words if len(words) <= EXCERPT else words[: EXCERPT - 1] + "…"


def _invisible(char: str) -> bool:
    if char in _KEPT_CONTROLS:
        return False
    return unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs") or ord(char) in _TAGS
