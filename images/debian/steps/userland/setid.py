"""Programs that run with more rights than their caller: none, unless listed here with a reason."""

from __future__ import annotations

from dataclasses import replace

from lib.tar import Entry

# Path → why it must keep its setuid or setgid bit. Empty on purpose: nobody logs in by password
# (su, passwd, unix_chkpwd), only root mounts (mount, umount), systemd starts D-Bus services
# (dbus-daemon-launch-helper), bubblewrap uses unprivileged user namespaces.
ALLOWED: dict[str, str] = {}

_BITS = 0o6000


def stripped(entry: Entry) -> Entry:
    """The entry without setuid and setgid unless it is listed; directories keep setgid."""
    if entry.kind != "file" or entry.path in ALLOWED or not entry.mode & _BITS:
        return entry
    return replace(entry, mode=entry.mode & ~_BITS)
