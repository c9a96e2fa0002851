"""Kept answers: in memory, bounded in bytes and time, each for those who may have it."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from meso_services.api_proxy.care.interface import Ask, CachedReply, Outcome, Settlement

# What an entry costs besides its bytes.
OVERHEAD = 512
# The other headers belong to the one answer: ids, dates, limits, cookies.
KEPT_HEADERS = frozenset({"content-type", "content-encoding"})


@dataclass(frozen=True)
class Rules:
    """Sizes in bytes. `shared`: one client may get what another one asked."""

    max_size: int = 8 * 1024**2
    max_entry: int = 512 * 1024
    seconds: float = 3600.0
    shared: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    reply: CachedReply
    size: int
    until: float


class ReplyCache:
    """Least recently used leaves first."""

    def __init__(self, rules: Rules, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = 0
        self._rules = rules
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def set_rules(self, rules: Rules) -> None:
        """Other bounds from now on. Another scope forgets everything: keys were made for the
        old one."""
        if rules.shared != self._rules.shared:
            self._entries.clear()
            self.size = 0
        self._rules = rules
        self._shrink()

    def find(self, ask: Ask) -> CachedReply | None:
        """The kept answer to an equal request, of one who may share it."""
        key = self.key(ask)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.reply

    def keep(self, ask: Ask, settlement: Settlement) -> bool:
        """Keep a good and complete answer; False if it is not one, or too large."""
        reply = settlement.reply
        good = settlement.outcome is Outcome.OK and settlement.status == 200
        if reply is None or not good or reply.status != 200:
            return False
        size = OVERHEAD + sum(len(piece) for piece in reply.pieces)
        if size > min(self._rules.max_entry, self._rules.max_size):
            return False
        key = self.key(ask)
        self._drop(key)
        headers = tuple(pair for pair in reply.headers if pair[0].lower() in KEPT_HEADERS)
        # One piece is much smaller than many; a stream keeps its events apart.
        pieces = reply.pieces if ask.stream else (b"".join(reply.pieces),)
        kept = CachedReply(reply.status, headers, pieces)
        self._entries[key] = _Entry(kept, size, self._clock() + self._rules.seconds)
        self.size += size
        self._shrink()
        return True

    def key(self, ask: Ask) -> bytes:
        """Equal for requests that may have the same answer."""
        own = ask.private or not self._rules.shared
        scope = ask.client.name if own else ""
        targets = "\0".join(f"{target.upstream}\1{target.model}" for target in ask.targets)
        digest = hashlib.sha256()
        parts = (scope, str(own), str(ask.private), ask.face, ask.route, targets, str(ask.stream))
        # Lengths keep one part from being taken for another.
        for part in (*(text.encode() for text in parts), ask.vary, ask.body):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
        return digest.digest()

    def _shrink(self) -> None:
        while self.size > self._rules.max_size:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size
