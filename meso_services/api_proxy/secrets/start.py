"""The secrets of one process: read at the start and again by each reload."""

from __future__ import annotations

from typing import Any

from meso_services.api_proxy.secrets.box import device_key
from meso_services.api_proxy.secrets.current import use
from meso_services.api_proxy.secrets.protection import protection
from meso_services.api_proxy.secrets.store import SecretStore
from meso_services.runtime.context import Context
from meso_services.runtime.health import Check, Finding

_WORDS = {
    "tpm2": "the key is bound to this machine's TPM",
    "host": "the key lies on the same disk: there is no TPM",
    "passed": "the key was passed to the machine when it was started",
    "none": "this device has no key to encrypt secrets with",
}


def secrets_of(context: Context[Any]) -> SecretStore:
    """The process's secrets. `Any`: only the place counts, not the settings."""
    path = context.paths.private(context.service) / "secrets" / "secrets.sealed"
    store = context.kept.get("secrets", lambda: SecretStore(path, device_key()))
    store.read()
    use(store)
    return store


def check(context: Context[Any]) -> Check:
    """Whether the secrets can be read, and what guards them."""
    store = secrets_of(context)

    async def run() -> Finding:
        count = len(store.known())
        return Finding(
            not store.problem, store.problem or f"{count} set; {_WORDS[protection(context.paths)]}"
        )

    return Check("secrets", run, required=False)
