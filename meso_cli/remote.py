"""`--host`: the same verb on an appliance, over ssh, with the same output."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from meso_cli.output import CliError
from meso_services.runtime import process

SSH_FAILED = 255


def run(host: str, words: Sequence[str], terminal: bool = False) -> int:
    """Run `meso WORDS` on `host` (`USER@HOST` or `vm:NAME`); its exit status.

    With `terminal` it has one there too, if there is one here.
    """
    *ssh, name = login(host)
    if terminal and sys.stdin.isatty():
        ssh += ["-t"]
    argv = [*ssh, name, "meso", *(shlex.quote(word) for word in words)]
    child = process.start(argv, stdin=None, stdout=None, stderr=None)
    status = child.wait()
    if status == SSH_FAILED:
        raise CliError(
            "remote.unreachable",
            f"ssh could not reach {host}.",
            hint="Is it running, does it know your key ([users.operator] ssh_keys), and have "
            "you accepted its host key (ssh to it once by hand)?",
        )
    return status


def login(host: str) -> list[str]:
    """The ssh command line that logs in on `host`, without a command."""
    if host.startswith("vm:"):
        from meso_host.vm import login as vm_login  # noqa: PLC0415 (not on the appliance)

        return vm_login.command(host.removeprefix("vm:"))
    if host.startswith("-"):
        raise CliError("remote.bad_host", f"`{host}` is not a host.", hint="Use --host USER@HOST.")
    return ["ssh", "-o", "BatchMode=yes", host]
