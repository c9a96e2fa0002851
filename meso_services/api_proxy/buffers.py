"""How much all requests together may hold in memory."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from meso_services.runtime.errors import MesoError


class Buffers:
    """A number of bytes that requests share."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def held(self) -> Held:
        """A share, given back when the `with` block ends."""
        return Held(self)


class Held:
    """What one request holds."""

    def __init__(self, buffers: Buffers) -> None:
        self._buffers, self._bytes = buffers, 0

    def take(self, count: int) -> None:
        """Raises `service.busy` when all together hold too much."""
        buffers = self._buffers
        if buffers.used + count > buffers.limit:
            raise MesoError(
                "service.busy",
                f"requests hold {buffers.limit} bytes already",
                status=503,
                hint="try again shortly, or raise the setting buffer_max",
                headers={"retry-after": "1"},
            )
        buffers.used += count
        self._bytes += count

    def another(self) -> Held:
        """A further share of the same memory, for a while."""
        return self._buffers.held()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._buffers.used -= self._bytes
        self._bytes = 0
