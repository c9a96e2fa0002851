"""Who asks: by the user on the UNIX socket, by a key on TCP."""

from __future__ import annotations

import hashlib
import hmac
import pwd
from collections.abc import Sequence
from functools import lru_cache

from meso_services.api_proxy.care.interface import Client, RefusalError
from meso_services.api_proxy.care.settings import Client as Settings

# Names that nobody configured are remembered up to this many; the rest is one client.
MAX_UNNAMED = 64
OTHERS = "others"


class Clients:
    """The configured clients, and a name for everybody else."""

    def __init__(self, configured: Sequence[Settings]) -> None:
        self.configured = {client.name: client for client in configured}
        self._keys = {c.key_sha256: c.name for c in configured if c.key_sha256}
        self._users = {c.user: c.name for c in configured if c.user}
        self._by_uid: dict[int, Client] = {}

    def by_uid(self, uid: int) -> Client:
        """The client whose user that is; else one named after the user."""
        if (known := self._by_uid.get(uid)) is not None:
            return known
        user = _user_name(uid)
        name = self._users.get(user) or user
        if name not in self.configured and len(self._by_uid) >= MAX_UNNAMED:
            return Client(OTHERS, uid)
        return self._by_uid.setdefault(uid, Client(name, uid))

    def by_key(self, key: str) -> Client:
        """The client of that key. Raises RefusalError `client.unknown_key`."""
        shown = hashlib.sha256(key.encode(errors="replace")).hexdigest()
        for known, name in self._keys.items():
            if hmac.compare_digest(known, shown):
                return Client(name)
        raise RefusalError(
            "client.unknown_key",
            "no client has this key",
            status=401,
            hint="services.api_proxy.clients names the clients and the SHA-256 of their keys",
        )


@lru_cache(256)
def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
