"""Whether two memories say the same, or the opposite, found without a model.

The rules prefer silence to a wrong word: what they do not recognise counts as two facts. They
know English and German. Candidates are found by keys (equal or similar words), never by going
through all memories.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)?|[=:]")
_NEGATORS = _words(
    "not no never none without cannot nobody nothing neither nor nicht kein keine keinen keiner "
    "nie niemals ohne weder"
)
_STOP = _words(
    "a an the this that these those it its to of and or so very really just also now currently "
    "please always immer der die das ein eine einen einem einer und oder auch jetzt"
)
# A fact has one value after these; what stands before them is what the fact is about.
_COPULA = _words(
    "is are was were be has have uses use costs cost runs run listens listen lives live equals "
    "moved needs need takes take weighs starts start begins ends closes opens = : "
    "ist sind war hat haben nutzt kostet läuft wohnt braucht heißt beginnt endet"
)
# Of these only one can be true of a thing at a time.
_PLACED = _words("in at on under behind inside near from until by as im am bei unter auf")
_SINGLE = _words("= : equals costs cost lives weighs starts begins ends closes opens kostet "
                    "heißt wohnt beginnt endet")  # fmt: skip
_OPPOSITES = (
    ("on off", "enabled disabled", "true false", "open closed", "allowed forbidden", "yes no"),
    ("up down", "left right", "like dislike", "love hate", "work fail", "safe unsafe"),
    ("public private", "present absent", "before after", "an aus", "offen zu"),
    ("erlaubt verboten", "links rechts", "ja nein"),
)
_AUXILIARY = {"do": "", "does": "", "did": "", "don't": "not", "doesn't": "not", "didn't": "not",
              "isn't": "is not", "aren't": "are not", "wasn't": "was not", "can't": "can not",
              "won't": "will not", "hasn't": "has not", "cannot": "can not"}  # fmt: skip
MOST_TOKENS = 2000
# Longer texts say many things; a rule about one sentence does not fit them.
MOST_COMPARED = 60
SAME, BANDS, ROWS = 0.8, 6, 3


@dataclass(frozen=True)
class Said:
    """A text as its tokens, in lower case, without words that carry nothing."""

    tokens: tuple[str, ...]

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(token for token in self.tokens if token[0].isdigit())

    @property
    def negated(self) -> bool:
        return sum(token in _NEGATORS for token in self.tokens) % 2 == 1

    @property
    def plain(self) -> tuple[str, ...]:
        """Without negators, in simple forms: what is said to be so, or not to be so."""
        return tuple(_stem(token) for token in self.tokens if token not in _NEGATORS)

    @property
    def content(self) -> tuple[str, ...]:
        """Without punctuation, for comparing."""
        return tuple(token for token in self.plain if token not in ("=", ":"))


def said(text: str) -> Said:
    """Read a text."""
    folded = unicodedata.normalize("NFC", text).casefold().replace("\u2019", "'")
    tokens: list[str] = []
    for token in _TOKEN.findall(folded):
        for word in _AUXILIARY.get(token, token).split():
            if word not in _STOP:
                tokens.append(word)
        if len(tokens) >= MOST_TOKENS:
            break
    return Said(tuple(tokens))


def same(one: Said, other: Said) -> bool:
    """Near-duplicates: the words of one, in order, lie in the other, and little is beside them.

    Other numbers, a negation or a missing half make two facts of them.
    """
    short, long = sorted((one.content, other.content), key=len)
    if not short or len(short) < SAME * len(long):
        return False
    if one.negated != other.negated or one.numbers != other.numbers:
        return False
    if len(one.tokens) >= MOST_TOKENS or len(other.tokens) >= MOST_TOKENS:
        return one.tokens == other.tokens
    words = iter(long)
    return all(word in words for word in short)


def contradiction(new: Said, old: Said) -> str:
    """Why the two cannot both be true, or an empty text. Each rule needs the same subject."""
    if not all(0 < len(one.content) <= MOST_COMPARED for one in (new, old)):
        return ""
    if new.negated != old.negated:
        alike = _alike(new.content, old.content)
        return "one says so, the other denies it" if alike else ""
    differing = _difference(new.plain, old.plain)
    return _valued(*differing) if differing is not None else ""


def _valued(before: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> str:
    """The same beginning, and then two things of which one can be so."""
    became = f"“{' '.join(theirs)}” became “{' '.join(ours)}”"
    if len(ours) == len(theirs) == 1 and frozenset((*ours, *theirs)) in OPPOSITES:
        return became
    if not _is_value(before):
        return ""
    if _numeric(ours) and _numeric(theirs):
        return f"the value {' '.join(theirs)} became {' '.join(ours)}"
    one_place = before[-1] in _PLACED or any(word in _SINGLE for word in before[-2:])
    return became if one_place else ""


def keys(text: Said) -> frozenset[str]:
    """Two texts that are `same` or a `contradiction` share a key, almost always."""
    found = {_hash("whole", *text.content)}
    plain = text.plain
    if 1 < len(plain) <= 80:
        found.add(_hash("frame", *("#" if word[0].isdigit() else word for word in plain)))
        found |= {_hash("subject", *plain[: place + 1]) for place in _places(plain)}
        found |= {_hash("opposed", *plain[:i], *plain[i + 1 :]) for i, word in enumerate(plain)
                  if any(word in pair for pair in OPPOSITES)}  # fmt: skip
    return frozenset(found | set(_bands(text.content)))


def whole_key(text: Said) -> str:
    """Equal for texts of the same words in the same order."""
    return _hash("whole", *text.content)


def _places(plain: Sequence[str]) -> list[int]:
    """Where a value may begin: after the first word that gives one, and after each place word."""
    first = next((i for i, word in enumerate(plain) if word in _COPULA and i > 0), None)
    if first is None:
        return []
    later = [i for i in range(first + 1, min(len(plain), first + 6)) if plain[i] in _PLACED]
    return [i for i in (first, *later) if i + 1 < len(plain)]


def _is_value(before: Sequence[str]) -> bool:
    """True if what follows these words is what is said of the subject, not its name."""
    return any(word in _COPULA for word in before[1:])


def _difference(
    new: Sequence[str], old: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None:
    """The common beginning and the two short pieces, if there is one place that differs."""
    start = 0
    while start < min(len(new), len(old)) and new[start] == old[start]:
        start += 1
    end = 0
    while end < min(len(new), len(old)) - start and new[-1 - end] == old[-1 - end]:
        end += 1
    ours, theirs = tuple(new[start : len(new) - end]), tuple(old[start : len(old) - end])
    if start == 0 or not 1 <= len(ours) <= 3 or not 1 <= len(theirs) <= 3:
        return None
    return tuple(new[:start]), ours, theirs


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Nearly the same words in the same order, and the same numbers."""
    short, long = sorted((one, other), key=len)
    numbers = [[word for word in text if word[0].isdigit()] for text in (one, other)]
    words = iter(long)
    enough = len(short) >= 2 and len(short) >= SAME * len(long)
    return enough and numbers[0] == numbers[1] and all(word in words for word in short)


def _numeric(words: Iterable[str]) -> bool:
    return any(word[0].isdigit() for word in words)


def _stem(word: str) -> str:
    """Third person and infinitive alike: "does not like" and "likes"."""
    if word in _COPULA or word in _PLACED or word[0].isdigit() or len(word) <= 3:
        return word
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _bands(content: Sequence[str]) -> list[str]:
    """Locality-sensitive keys: texts with most of their words in common share one of them."""
    words = frozenset(content)
    if len(words) < 3:
        return []
    least = [min(_number(str(seed), word) for word in words) for seed in range(BANDS * ROWS)]
    rows = [least[i : i + ROWS] for i in range(0, len(least), ROWS)]
    return [_hash(f"band{i}", *map(str, row)) for i, row in enumerate(rows)]


def _number(seed: str, word: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(word.encode(), digest_size=8, key=seed.encode()).digest(), "big"
    )


def _hash(kind: str, *words: str) -> str:
    return hashlib.blake2b("\0".join((kind, *words)).encode(), digest_size=10).hexdigest()


OPPOSITES = frozenset(
    frozenset(_stem(word) for word in pair.split()) for group in _OPPOSITES for pair in group
)
