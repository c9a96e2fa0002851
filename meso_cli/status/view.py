"""The status as text, for a screen of 80 columns."""

from __future__ import annotations

import textwrap

from meso_cli.status.model import Generation, Space, Status

WIDTH = 80
LABEL = 19  # columns of the left side
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def full(status: Status) -> str:
    """The whole page."""
    parts = [
        headline(status),
        _where(status),
        "",
        *_rows([(s.name.replace("-", " "), _service(s.state, s.detail)) for s in status.services]),
        "",
        *_rows(_machine(status)),
    ]
    if status.warnings:
        parts += ["", *(_wrap("! ", warning) for warning in status.warnings)]
    return "\n".join(parts)


def brief(status: Status) -> str:
    """A few lines for a login."""
    parts = [headline(status), _where(status)]
    parts += [_wrap("  ", f"{s.name}: {s.state} {s.detail}") for s in status.services if not s.well]
    parts += [_wrap("! ", warning) for warning in status.warnings]
    return "\n".join(parts)


def headline(status: Status) -> str:
    """`MESO OS 0.1.0 on meso: healthy`."""
    well = "healthy" if status.healthy else "NOT HEALTHY"
    less = [s.name for s in status.services if s.state == "degraded"]
    note = f" (degraded: {', '.join(less)})" if less and status.healthy else ""
    return f"MESO OS {status.version} on {status.hostname}: {well}{note}"


def size(amount: int) -> str:
    """Bytes with the unit that fits."""
    value = float(amount)
    for unit in UNITS[:-1]:
        if value < 1024:
            return f"{value:.0f} {unit}" if unit in UNITS[:3] else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} {UNITS[-1]}"


def duration(seconds: float) -> str:
    """`4 min`, `3 h 12 min`, `2 d 5 h`."""
    minutes = int(seconds) // 60
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


def _where(status: Status) -> str:
    trust = "" if status.slot.confirmed else " (on trial)"
    slot = f"slot {status.slot.letter or '?'}{trust}"
    return f"{slot}, {_generation(status.generation)}, up {duration(status.uptime_seconds)}"


def _generation(generation: Generation) -> str:
    if generation.counter is None:
        return "no generation"
    return f"generation {generation.counter}" + (" (factory)" if not generation.counter else "")


def _service(state: str, detail: str) -> str:
    return f"{state:<11} {detail}".rstrip()


def _machine(status: Status) -> list[tuple[str, str]]:
    rows = []
    if status.last_boot:
        rows.append(("last boot", f"{status.last_boot.outcome}: {status.last_boot.reason}"))
    if status.this_boot:
        rows.append(("this boot", _this_boot(status)))
    where = [f"{a.address} ({a.interface})" for a in status.addresses]
    rows.append(("addresses", ", ".join(where) or "none: no network"))
    rows.append(("memory", _space(status.memory)))
    rows.append(("state partition", _space(status.disk)))
    return rows


def _this_boot(status: Status) -> str:
    boot = status.this_boot
    if boot is None or boot.healthy is None:
        return "still starting"
    if boot.healthy:
        return f"healthy, the services took {boot.seconds:.0f} s"
    return f"not healthy: {boot.reason}"


def _space(space: Space) -> str:
    return f"{size(space.used)} of {size(space.total)} used" if space.total else "unknown"


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    return [_wrap(f"  {name:<{LABEL - 2}}", text) for name, text in rows]


def _wrap(lead: str, text: str) -> str:
    return textwrap.fill(
        text,
        WIDTH - 1,  # a full last column would wrap by itself on some consoles
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_on_hyphens=False,
    )
