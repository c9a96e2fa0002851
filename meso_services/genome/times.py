"""Trigger times: windows of the appliance's local time.

mon-fri 08:00-18:00     on weekdays, from eight until just before six
22:00-06:00             every night, over midnight (the day is that of its beginning)
sat,sun                 the whole day
day 1,15                of each month; also `day 25-31 09:00-10:00`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_MINUTES = 24 * 60


class TimeError(ValueError):
    """A window that cannot be read. The message says what is accepted."""


@dataclass(frozen=True)
class Window:
    """Weekdays (0 is Monday), days of the month, and minutes of the day, the end excluded."""

    weekdays: frozenset[int]
    days: frozenset[int]
    start: int
    end: int

    def holds(self, now: datetime) -> bool:
        """Whether `now` lies in the window."""
        minute = now.hour * 60 + now.minute
        if self.start < self.end:
            return self.start <= minute < self.end and self._on(now)
        if minute >= self.start:
            return self._on(now)
        return minute < self.end and self._on(now - timedelta(days=1))

    def _on(self, day: datetime) -> bool:
        return day.weekday() in self.weekdays and day.day in self.days


def parse_time(text: str) -> Window:
    """Read a window. Raises TimeError."""
    words = text.lower().split()
    weekdays, days, start, end = frozenset(range(7)), frozenset(range(1, 32)), 0, _MINUTES
    if words and words[0][:3] in _DAYS:
        weekdays = _numbers(words.pop(0), {name: i for i, name in enumerate(_DAYS)}, 7)
    if len(words) > 1 and words[0] == "day":
        days = _numbers(words[1], {str(i): i for i in range(1, 32)}, 0)
        del words[:2]
    if words and (clock := _CLOCK.fullmatch(words[0])):
        hours = [int(part) for part in clock.groups()]
        start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        words.pop(0)
    if words or not text.strip() or start == end or end > _MINUTES:
        raise TimeError("a window is `[mon-fri] [day 1,15] [08:00-18:00]`, at least one of them")
    return Window(weekdays, days, start, end)


def _numbers(text: str, names: dict[str, int], wrap: int) -> frozenset[int]:
    """The numbers of `mon-wed,sun` or `1,10-12`; with `wrap`, a range may go round."""
    found: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        if low not in names or (high or low) not in names:
            raise TimeError(f"{part!r} is not one of {', '.join(list(names)[:7])}, …")
        first, last = names[low], names[high or low]
        if last < first and not wrap:
            raise TimeError(f"the range {part!r} runs backwards")
        count = (last - first) % wrap if wrap else last - first
        found |= {(first + i) % wrap if wrap else first + i for i in range(count + 1)}
    return frozenset(found)
