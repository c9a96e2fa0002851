"""The secrets in force, for code that asks for one value by its name."""

from __future__ import annotations

from meso_services.api_proxy.secrets.store import SecretStore

_stores: list[SecretStore] = []


def use(store: SecretStore) -> None:
    """Make `store` the one that counts in this process."""
    _stores[:] = [store]


def value(name: str) -> str | None:
    """The value of that name, or None."""
    return _stores[0].get(name) if _stores else None
