"""Keep secrets out of the journal: whatever looks like a key is replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "[redacted]"

# No expression may try a long text again and again: agents' own texts come through here.
_SECRETS = re.compile(
    r"""
    -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    | \b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{12,}                # model and payment APIs
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_\w{20,}  # forges
    | \bxox[abprs]-[A-Za-z0-9-]{10,}                       # chat
    | \bA(?:KIA|SIA)[A-Z0-9]{16}\b | \bAIza[\w-]{30,}      # clouds
    | \bey[\w-]{10,1000}\.ey[\w-]{10,}\.[\w-]+                 # JSON web tokens
    """,
    re.VERBOSE | re.DOTALL,
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_NAMED = re.compile(
    r"""(?ix)
    ( (?<![\w-])
      (?= [\w-]* (?:api[-_]?key|token|passw(?:or)?d|passphrase|secret|authorization|credential) )
      [\w-]++ ["']? \s* [:=] \s* )
    ( "[^"]*" | '[^']*' | [^\s,;&"']+ )
    """
)
_SECRET_NAME = re.compile(
    r"(?i)(api[-_]?key|token|passw(or)?d|passphrase|secret|authorization|credential)$"
)


# A shorter value would mask ordinary words.
MIN_KNOWN = 6
MAX_KNOWN = 1024
_known: dict[str, None] = {}


def learn(values: Iterable[str]) -> None:
    """Mask these values from now on, wherever they stand and whatever they look like.

    The newest `MAX_KNOWN` are remembered, for as long as the process lives.
    """
    for value in values:
        if len(value) >= MIN_KNOWN:
            _known.pop(value, None)
            _known[value] = None
    while len(_known) > MAX_KNOWN:
        del _known[next(iter(_known))]


def redact(text: str) -> str:
    """Return `text` with everything that looks like a key, token or password masked."""
    for value in tuple(_known):
        if value in text:
            text = text.replace(value, MASK)
    text = _SECRETS.sub(MASK, text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return _NAMED.sub(lambda found: found[1] + MASK, text)


def redact_field(name: str, value: object) -> str:
    """Return one log field as text; a field whose name says secret is masked whole."""
    return MASK if _SECRET_NAME.search(name) else redact(str(value))
