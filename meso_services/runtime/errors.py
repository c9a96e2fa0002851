"""The one error that services raise on purpose. It knows no HTTP beyond a status number."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What the disk says when it is full, in the words of each file system and limit.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class MesoError(Exception):
    """Something a caller can understand and act on.

    `code` is stable (`area.reason`); `message` says what and where; `hint` names the setting
    or the verb that helps; `detail` carries facts as JSON. Never put a secret into any of them.
    """

    # Each part is one that the error shape has; a caller names all but the first two.
    def __init__(  # noqa: PLR0913
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        hint: str = "",
        detail: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.hint = hint
        self.detail = dict(detail or {})
        self.headers = dict(headers or {})


def standard_body(error: MesoError, _path: str) -> dict[str, Any]:
    """The error shape of every MESO service, as a JSON object."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "detail": error.detail,
        }
    }


def storage_error(cause: OSError, path: Path) -> MesoError:
    """Say that a write to `path` failed, and what helps."""
    if cause.errno in _FULL:
        return MesoError(
            "storage.full",
            f"no space left to write {path}; nothing was changed",
            status=507,
            hint="free space on the state partition; `meso status` shows what is used",
        )
    reason = cause.strerror or type(cause).__name__
    return MesoError(
        "storage.unwritable",
        f"cannot write {path}: {reason}",
        status=503,
        hint="look at the journal for disk errors, and at the directory's owner",
    )
