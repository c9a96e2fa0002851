"""Structured logs: fields in the journal, `key=value` on a terminal, secrets in neither."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from meso_services.runtime.redact import redact, redact_field

JOURNAL_SOCKET = "/run/systemd/journal/socket"
# A datagram has a limit; a message that long is not read by anyone.
MAX_VALUE = 32 * 1024

request_id: ContextVar[str] = ContextVar("request_id", default="")

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


class Log:
    """A logger that takes facts as keyword arguments: `log.info("appended", session=id)`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, **fields: object) -> None:
        self._write(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: object) -> None:
        self._write(logging.INFO, message, fields)

    def warning(self, message: str, **fields: object) -> None:
        self._write(logging.WARNING, message, fields)

    def error(self, message: str, **fields: object) -> None:
        self._write(logging.ERROR, message, fields)

    def exception(self, message: str, error: BaseException, **fields: object) -> None:
        """Log at error level with the traceback of `error`."""
        self._write(logging.ERROR, message, fields, error)

    def _write(
        self,
        level: int,
        message: str,
        fields: dict[str, object],
        error: BaseException | None = None,
    ) -> None:
        self._logger.log(level, "%s", message, exc_info=error, extra={"fields": fields})


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """The record's facts, redacted, with the id of the request being served."""
    raw: dict[str, object] = dict(getattr(record, "fields", {}))
    if current := request_id.get():
        raw.setdefault("request", current)
    return {name: redact_field(name, value) for name, value in raw.items() if value is not None}


class TerminalHandler(logging.Handler):
    """One line a record: level, message, then `key=value`."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        facts = "".join(f" {name}={_quoted(text)}" for name, text in fields_of(record).items())
        message, _, trace = redact(self.format(record)).partition("\n")
        line = f"{record.levelname.lower()}: {message}{facts}\n{trace and trace + chr(10)}"
        # A closed terminal is no reason to fail a request.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line)
            self._stream.flush()


def _quoted(text: str) -> str:
    return text if text and not set(text) & set(' "=\n') else f'"{text}"'.replace("\n", "\\n")


class JournalHandler(logging.Handler):
    """Speaks the journal's native protocol, so that every fact becomes a field."""

    def __init__(self, identifier: str, address: str = JOURNAL_SOCKET) -> None:
        super().__init__()
        self._identifier = identifier
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._address = address
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        entry = {
            "MESSAGE": redact(self.format(record)),
            "PRIORITY": str(_PRIORITY.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": self._identifier,
            "LOGGER": record.name,
        }
        for name, text in fields_of(record).items():
            entry[f"MESO_{name.upper()}"] = text
        data = b"".join(encode_field(name, text) for name, text in entry.items())
        # Logging must never be what breaks a service: a journal that restarts misses a line.
        with contextlib.suppress(OSError):
            self._socket.sendto(data, self._address)


def encode_field(name: str, text: str) -> bytes:
    """One field of the native protocol; values with line breaks carry their length."""
    value = text.encode(errors="replace")[:MAX_VALUE]
    if b"\n" not in value:
        return name.encode() + b"=" + value + b"\n"
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def configure(identifier: str, level: str) -> None:
    """Send every log of this process to the journal if stderr is the journal, else to stderr."""
    handler: logging.Handler
    handler = JournalHandler(identifier) if _stderr_is_journal() else TerminalHandler(sys.stderr)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Other people's libraries speak only when something is wrong.
    for name in ("asyncio", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What uvicorn would say, the gate and the server say themselves, with the request's id.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)


def _stderr_is_journal() -> bool:
    if not Path(JOURNAL_SOCKET).exists():
        return False
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
