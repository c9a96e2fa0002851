"""The key that logs in on a virtual machine: made for it alone, kept in its directory."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from meso_host.vm.files import Files
from meso_services.runtime import process

# The names under which the guest's activator looks for keys. Root's is for tests only.
OPERATOR = "meso.ssh.operator"
ROOT = "meso.ssh.root"


def make(files: Files) -> str:
    """The public key; made when there is none yet."""
    public = files.key.with_suffix(".pub")
    if not public.is_file():
        files.key.unlink(missing_ok=True)
        comment = f"meso vm {files.name}"
        options = ["-q", "-t", "ed25519", "-N", "", "-C", comment]
        process.run(["ssh-keygen", *options, "-f", files.key])
    return public.read_text(encoding="ascii").strip() + "\n"


def settings(files: Files) -> dict[str, str]:
    """ssh's settings that log in on this machine and no other, and never ask.

    Calls share one connection: a login costs seconds under emulation, and the
    machine's firewall limits new connections.
    """
    return {
        "IdentityFile": str(files.key),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(files.known_hosts),
        "StrictHostKeyChecking": "accept-new",
        "HostKeyAlias": f"meso-vm-{files.name}",
        "BatchMode": "yes",
        "ConnectTimeout": "20",
        "LogLevel": "ERROR",
        "ControlMaster": "auto",
        "ControlPersist": "60",
        "ControlPath": f"{_sockets()}/{_short(files)}-%r",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "8",
    }


def write_config(files: Files, port: int) -> None:
    """Write ssh's configuration for this machine, where it is called `vm`."""
    given = {"HostName": "127.0.0.1", "Port": str(port), "User": "operator"} | settings(files)
    lines = [f'  {key} "{value}"' for key, value in given.items()]
    text = "\n".join(["Host vm", *lines]) + "\n"
    files.ssh_config.write_text(text, encoding="utf-8")


def forget_connections(files: Files) -> None:
    """Drop the shared connections: the machine at their other end is gone."""
    for path in _sockets().glob(f"{_short(files)}-*"):
        process.run(["ssh", "-O", "exit", "-o", f"ControlPath={path}", "vm"], check=False)
        path.unlink(missing_ok=True)


def _short(files: Files) -> str:
    # A socket's path has room for about 90 characters, the machine's directory may be longer.
    return hashlib.sha256(str(files.directory.resolve()).encode()).hexdigest()[:12]


def _sockets() -> Path:
    folder = Path(tempfile.gettempdir()) / f"meso-ssh-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder
