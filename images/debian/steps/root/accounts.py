"""Users and groups from the lock's table: numbers never depend on which packages are installed."""

from __future__ import annotations

from typing import Any

from lib.tar import Entry, file

_SHADOW = 42  # Debian's group `shadow`


def _password(user: dict[str, Any]) -> str:
    """Nobody has a password. `*` still lets a key in; `!*` marks accounts that never log in."""
    return "*" if user["shell"].endswith("sh") else "!*"


def files(table: dict[str, Any]) -> list[Entry]:
    """/etc/passwd, group, shadow and gshadow."""
    gid = {group["name"]: group["gid"] for group in table["groups"]}
    passwd = [
        f"{u['name']}:x:{u['uid']}:{gid[u['group']]}:{u['gecos']}:{u['home']}:{u['shell']}\n"
        for u in table["users"]
    ]
    group = [f"{g['name']}:x:{g['gid']}:{','.join(g['members'])}\n" for g in table["groups"]]
    # A day of last change other than 0, which would ask for a new password at login.
    shadow = [f"{u['name']}:{_password(u)}:20000:0:99999:7:::\n" for u in table["users"]]
    gshadow = [f"{g['name']}:*::{','.join(g['members'])}\n" for g in table["groups"]]
    return [
        file("etc/passwd", "".join(passwd)),
        file("etc/group", "".join(group)),
        file("etc/shadow", "".join(shadow), 0o640, gid=_SHADOW),
        file("etc/gshadow", "".join(gshadow), 0o640, gid=_SHADOW),
    ]
