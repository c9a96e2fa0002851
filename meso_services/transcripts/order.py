"""Parents before their children, whatever the order of a file; cycles are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence


def ordered(
    numbers: Sequence[int], parents: dict[int, int | None], cut: Callable[[int], None]
) -> Iterator[int]:
    """The lines `numbers` as in the file, but for those whose parent stands behind: they wait.

    `parents` maps a line to its parent's line; of each cycle the first line becomes a root there,
    and `cut` is told. Takes linear time.
    """
    waiting: dict[int, list[int]] = {}
    done: set[int] = set()

    def release(number: int) -> Iterator[int]:
        ready = [number]
        while ready:
            one = ready.pop()
            done.add(one)
            yield one
            ready.extend(reversed(waiting.pop(one, [])))

    for number in numbers:
        parent = parents.get(number)
        if parent is None or parent in done:
            yield from release(number)
        else:
            waiting.setdefault(parent, []).append(number)
    for number in numbers:
        # Only cycles are left, and what hangs on them.
        if number not in done:
            first = _in_cycle(number, parents)
            waiting[parents[first] or 0].remove(first)
            parents[first] = None
            cut(first)
            yield from release(first)


def _in_cycle(number: int, parents: dict[int, int | None]) -> int:
    """The first line of the cycle that a line's ancestors end in."""
    seen: set[int] = set()
    now: int | None = number
    while now is not None and now not in seen:
        seen.add(now)
        now = parents[now]
    first, start = now, now
    while now is not None:
        first = now if first is None else min(first, now)
        now = parents[now]
        if now == start:
            break
    return number if first is None else first
