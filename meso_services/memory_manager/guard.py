"""What keeps junk out: secrets, memory that comes back, and sources that flood."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from meso_services.runtime.errors import MesoError
from meso_services.runtime.redact import redact

MOST_SOURCES = 4096
_MARKED = re.compile(r"\[memory (?P<id>[a-z0-9-]{1,64})\].*?(?:\[/memory\]|\Z)", re.DOTALL)


def marked(name: str, text: str) -> str:
    """`text` tagged as coming from the memory `name`: what is so tagged is not stored again."""
    inner = text.replace("[/memory]", "[ /memory]").strip()
    return f"[memory {name}]\n{inner}\n[/memory]"


@dataclass(frozen=True)
class Cleaned:
    """What is left of a text, and which memories were quoted in it."""

    text: str
    recalled: tuple[str, ...]


def without_recalled(text: str) -> Cleaned:
    """Take out what is tagged as coming from memory."""
    recalled = tuple(dict.fromkeys(found["id"] for found in _MARKED.finditer(text)))
    if not recalled:
        return Cleaned(text, ())
    return Cleaned(_MARKED.sub("", text).strip(), recalled)


def without_secrets(text: str, how: str) -> tuple[str, bool]:
    """`text` fit to be kept, and whether something was masked. Raises `memory.secret`."""
    clean = redact(text)
    if clean == text:
        return text, False
    if how == "refuse":
        raise MesoError(
            "memory.secret",
            "the memory holds what looks like a key, token or password; nothing was kept",
            status=422,
            hint="keep secrets with `meso secret set`; services.memory_manager.secrets = "
            '"mask" keeps the rest of such a text',
        )
    return clean, True


class Flood:
    """How much each source may write: `burst` at once, `per_minute` in the long run; 0 is any.

    A source may call itself anything, so the caller counts each user of the machine too.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, name: str, per_minute: float, burst: int) -> None:
        """Count one write. Raises `memory.flood`, which says when to come again."""
        if per_minute <= 0:
            return
        with self._lock:
            now = self._clock()
            left, since = self._left.pop(name, (float(burst), now))
            left = min(float(burst), left + (now - since) * per_minute / 60)
            fits = left >= 1
            self._left[name] = (left - fits, now)
            while len(self._left) > MOST_SOURCES:
                self._left.popitem(last=False)
        if not fits:
            raise _flooded(name, math.ceil((1 - left) * 60 / per_minute))


def _flooded(name: str, seconds: int) -> MesoError:
    return MesoError(
        "memory.flood",
        f"{name} writes too much at once",
        status=429,
        hint=f"come again in {seconds} s; services.memory_manager.source_per_minute sets the pace",
        detail={"source": name, "seconds": seconds},
        headers={"retry-after": str(seconds)},
    )
