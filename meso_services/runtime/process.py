"""The one door to other programs.

Every subprocess of the project starts here. Arguments are lists, never a shell
line. A failure is a `CommandError` that names the command, how it ended and its
last words. Imports only the standard library, because the launcher uses it
before any package is installed.
"""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LOG = logging.getLogger("meso.process")
LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended: exit status, both outputs as text, wall time in seconds."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float


class CommandError(Exception):
    """A program could not start, failed, or took too long.

    `status` is its exit status, 127 when it was not found, 124 when it ran out
    of time. `output` holds its last lines.
    """

    def __init__(self, argv: Sequence[str], status: int, output: str) -> None:
        self.argv = tuple(argv)
        self.status = status
        self.output = "\n".join(output.strip().splitlines()[-LAST_LINES:])
        super().__init__(self._message())

    def _message(self) -> str:
        how = {127: "was not found", 124: "ran out of time"}.get(
            self.status, f"ended with status {self.status}"
        )
        said = f":\n{self.output}" if self.output else ""
        return f"`{shlex.join(self.argv)}` {how}{said}"


def redact(text: str, secrets: Sequence[str]) -> str:
    """`text` with every secret replaced by `***`."""
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    return text


def environment(extra: Mapping[str, str | None]) -> dict[str, str]:
    """This process's environment with `extra` laid over it; None takes a variable out."""
    merged = {**os.environ, **{k: v for k, v in extra.items() if v is not None}}
    return {k: v for k, v in merged.items() if extra.get(k, "") is not None}


def start(  # noqa: PLR0913 (keyword-only, and they are the system's own)
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    detach: bool = False,
    secrets: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """Start a program and return at once; the caller waits for it.

    `detach` puts it in a session of its own, so that it outlives this process
    and a Ctrl-C on the terminal does not reach it.
    """
    command = [os.fspath(a) for a in argv]
    LOG.debug("start %s", redact(shlex.join(command), secrets))
    try:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=None if env is None else environment(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=tuple(pass_fds),
            start_new_session=detach,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        safe = [redact(a, secrets) for a in command]
        raise CommandError(safe, 127, str(error)) from error


def run(  # noqa: PLR0913 (keyword-only, and they are the system's own)
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    given: str | None = None,
    timeout: float | None = None,
    check: bool = True,
    secrets: Sequence[str] = (),
) -> Result:
    """Run a program to its end and collect what it printed.

    `given` is its standard input. With `check` (the default) anything but exit
    status 0 raises `CommandError`. `timeout` is in seconds; the program is
    killed when it is over. `secrets` never reach a log or an error.
    """
    began = time.monotonic()
    pipe = subprocess.PIPE
    stdin = subprocess.DEVNULL if given is None else pipe
    command = [os.fspath(a) for a in argv]
    child = start(command, cwd=cwd, env=env, stdin=stdin, stdout=pipe, stderr=pipe, secrets=secrets)
    safe = [redact(a, secrets) for a in command]
    try:
        out, err = child.communicate(None if given is None else given.encode(), timeout)
    except subprocess.TimeoutExpired as error:
        child.kill()
        out, err = child.communicate()
        raise CommandError(safe, 124, redact(_text(err) or _text(out), secrets)) from error
    except BaseException:
        child.kill()
        child.wait()
        raise
    result = Result(
        tuple(command), child.returncode, _text(out), _text(err), time.monotonic() - began
    )
    if check and result.status:
        raise CommandError(safe, result.status, redact(result.stderr or result.stdout, secrets))
    return result


def follow(
    argv: Sequence[str | os.PathLike[str]],
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
) -> None:
    """Run a program and hand over each line of its output (both streams) as it comes.

    Raises `CommandError` with the last lines when it fails.
    """
    child = start(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    last: deque[str] = deque(maxlen=LAST_LINES)
    try:
        for raw in child.stdout or ():
            line = raw.decode(errors="replace").rstrip("\n")
            last.append(line)
            on_line(line)
        status = child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    if status:
        raise CommandError([os.fspath(a) for a in argv], status, "\n".join(last))


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")
