"""What tokens cost, exactly: sums of whole numbers, never of fractions.

The unit is the pico-dollar (10^-12 US dollars): a price of 0.30 dollars a million tokens is
300,000 of them a token, so every price with six decimals is a whole number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from meso_services.api_proxy.care.interface import Target, Usage
from meso_services.api_proxy.care.settings import Price

PICO = 10**12
_PER_TOKEN = 10**6


@dataclass(frozen=True, slots=True)
class Rate:
    """Pico-dollars a token, by class."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    cache_write_1h: int

    def cost(self, usage: Usage) -> int:
        """Pico-dollars of that usage."""
        return (
            usage.input * self.input
            + usage.output * self.output
            + usage.cache_read * self.cache_read
            + (usage.cache_write - usage.cache_write_1h) * self.cache_write
            + usage.cache_write_1h * self.cache_write_1h
            + usage.reasoning * self.reasoning
        )

    def most(self, given: int, answered: int) -> int:
        """Pico-dollars of so many tokens in and out, of whatever class is dearest."""
        dearest_in = max(self.input, self.cache_read, self.cache_write, self.cache_write_1h)
        return given * dearest_in + answered * max(self.output, self.reasoning)


FREE = Rate(0, 0, 0, 0, 0, 0)


class Prices:
    """The operator's prices; the first that fits a target counts."""

    def __init__(self, prices: Sequence[Price]) -> None:
        self._prices = tuple(prices)
        self._known: dict[Target, Rate | None] = {}

    def rate(self, target: Target) -> Rate | None:
        """What the target costs; None if no price fits."""
        if target not in self._known:
            # Models are named by clients: what nobody configured must not fill the memory.
            if len(self._known) > 1024:
                self._known.clear()
            self._known[target] = self._find(target)
        return self._known[target]

    def _find(self, target: Target) -> Rate | None:
        for price in self._prices:
            here = price.upstream in (None, target.upstream)
            if here and fnmatchcase(target.model, price.model):
                return _rate(price)
        return None


def _rate(price: Price) -> Rate:
    def pico(dollars: float | None, otherwise: float) -> int:
        return round((otherwise if dollars is None else dollars) * _PER_TOKEN)

    written = price.input if price.cache_write is None else price.cache_write
    return Rate(
        pico(price.input, 0),
        pico(price.output, 0),
        pico(price.cache_read, price.input),
        pico(written, 0),
        pico(price.reasoning, price.output),
        pico(price.cache_write_1h, written),
    )


def usd(pico: int) -> float:
    """Dollars, for people and for metrics; sums are made of the whole numbers."""
    return pico / PICO
