"""What operons require of each other: a cycle and a missing one are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meso_services.genome.models import Operon, Problem


def required(operon: Operon) -> tuple[tuple[str, int], ...]:
    """Names that an operon requires, each with the least version (0: any)."""
    split = (text.partition(">=v") for text in operon.head.requires)
    return tuple((name, int(least or 0)) for name, _, least in split)


def number(version: str) -> int:
    """The number of a version: `v12` is 12."""
    return int(version.removeprefix("v"))


def sound(operons: Sequence[Operon], problems: list[Problem]) -> tuple[Operon, ...]:
    """Those whose requirements are all there, and without a cycle; a problem for each other."""
    left = {operon.head.name: operon for operon in operons}
    for name in sorted(_cyclic(left)):
        cycle = " → ".join(_cycle(left, name))
        problems.append(_problem(name, f"requires itself: {cycle}"))
    for name in _cyclic(left):
        del left[name]
    while missing := {n: why for n, o in left.items() if (why := _missing(o, left))}:
        for name, why in sorted(missing.items()):
            problems.append(_problem(name, why))
            del left[name]
    return tuple(operon for operon in operons if operon.head.name in left)


def closure(name: str, known: Mapping[str, Operon]) -> tuple[str, ...]:
    """All that `name` requires, before what requires it, and `name` last. Without cycles."""
    order: dict[str, None] = {}
    todo: list[tuple[str, bool]] = [(name, False)]
    while todo:
        at, done = todo.pop()
        if at in order:
            continue
        if done:
            order[at] = None
            continue
        todo.append((at, True))
        todo += [(other, False) for other, _ in reversed(required(known[at]))]
    return tuple(order)


def _cyclic(known: Mapping[str, Operon]) -> set[str]:
    """Names that can be reached from themselves."""
    return {name for name in known if known[name].head.requires and _cycle(known, name)}


def _cycle(known: Mapping[str, Operon], name: str) -> tuple[str, ...]:
    """A shortest way from `name` back to itself; empty when there is none."""
    came: dict[str, str] = {}
    todo = [name]
    for at in todo:
        for other, _ in required(known[at]) if at in known else ():
            if other == name:
                way = [at]
                while way[-1] != name:
                    way.append(came[way[-1]])
                return (*reversed(way), name)
            if other not in came:
                came[other] = at
                todo.append(other)
    return ()


def _missing(operon: Operon, known: Mapping[str, Operon]) -> str:
    for name, least in required(operon):
        if name not in known:
            return f"requires {name!r}, which is not loaded"
        if number(known[name].head.version) < least:
            found = known[name].head.version
            return f"requires {name!r} from v{least} on, but {found} is there"
    return ""


def _problem(name: str, problem: str) -> Problem:
    return Problem(f"operons/{name}/OPERON.md", "requires", problem)
