"""The one error that the host's commands raise: what failed, and what to do about it."""

from __future__ import annotations


class HostError(Exception):
    """A failure that the operator can act on.

    `code` is stable (`AREA.KIND`), `message` says what is wrong and where, `remedy` says what to
    do. Only `__main__` turns it into an exit status.
    """

    def __init__(self, code: str, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}"
