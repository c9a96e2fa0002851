"""The secrets of one device: named values in one encrypted file, read again on reload."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from meso_services.api_proxy.secrets.box import seal, unseal
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log
from meso_services.runtime.redact import learn

MAX_SECRETS = 256
PREFIX = "meso."
_log = Log("meso.proxy.secrets")


@dataclass(frozen=True)
class Secret:
    """One value. Its text never shows itself."""

    value: str = field(repr=False)
    set_at: datetime
    rotations: int = 0


class SecretStore:
    """`key` is the device's, None where there is none: then nothing can be kept."""

    def __init__(self, path: Path, key: bytes | None) -> None:
        self.problem = ""
        self._path, self._key = path, key
        self._lock = threading.Lock()
        self._secrets: dict[str, Secret] = {}
        self.read()

    @property
    def can_keep(self) -> bool:
        """Whether there is a key to encrypt with."""
        return self._key is not None

    def get(self, name: str) -> str | None:
        """The value of that name (`meso.anthropic` and `anthropic` are the same), or None."""
        found = self._secrets.get(plain_name(name))
        return found.value if found else None

    def known(self) -> dict[str, Secret]:
        """Name → secret, in the order of their names."""
        return dict(sorted(self._secrets.items()))

    def read(self) -> None:
        """Read the file again. One that cannot be read leaves `problem` and what was known."""
        try:
            sealed = self._path.read_bytes()
        except FileNotFoundError:
            self.problem = ""
            self._take({})
            return
        except OSError as failed:
            self.problem = f"cannot read {self._path}: {failed.strerror}"
            return
        if self._key is None:
            self.problem = "there are secrets, but no key of the device to read them with"
            return
        try:
            self._take(_loaded(unseal(self._key, sealed)))
            self.problem = ""
        except MesoError as failed:
            self.problem = failed.message

    def set(self, name: str, value: str, mode: str = "set") -> tuple[str, Secret]:
        """Keep a value; it is on the disk when this returns.

        Raises `secrets.*` or `storage.*`.
        """
        name = plain_name(name)
        with self._lock:
            old = self._secrets.get(name)
            _check_mode(mode, name, old)
            if old is None and len(self._secrets) >= MAX_SECRETS:
                raise MesoError("secrets.too_many", f"{MAX_SECRETS} secrets are kept already")
            new = Secret(value, datetime.now(UTC), old.rotations + 1 if old else 0)
            self._write({**self._secrets, name: new})
        _log.info("a secret was set", name=name, rotations=new.rotations)
        return name, new

    def delete(self, name: str) -> bool:
        """Forget a value; False if there was none."""
        name = plain_name(name)
        with self._lock:
            rest = {other: secret for other, secret in self._secrets.items() if other != name}
            if len(rest) == len(self._secrets):
                return False
            self._write(rest)
        _log.info("a secret was deleted", name=name)
        return True

    def _write(self, secrets: dict[str, Secret]) -> None:
        if self._key is None:
            raise MesoError(
                "secrets.no_key",
                "this device has no key to encrypt secrets with",
                status=503,
                hint="`systemctl status meso-device-key` says why; then restart meso-api-proxy",
            )
        try:
            durable.make_directories(self._path.parent)
            self._keep_unreadable()
            durable.write(self._path, seal(self._key, _dumped(secrets)), mode=0o600)
        except OSError as failed:
            raise storage_error(failed, self._path) from failed
        self.problem = ""
        self._take(secrets)

    def _keep_unreadable(self) -> None:
        """What this key cannot read may be wanted back: another disk, a restored TPM."""
        if self.problem and self._path.exists():
            durable.move(self._path, self._path.with_suffix(".unreadable"))

    def _take(self, secrets: dict[str, Secret]) -> None:
        # Old values stay masked: a line that names one may still be on its way to the journal.
        learn(secret.value for secret in secrets.values())
        self._secrets = secrets


def plain_name(name: str) -> str:
    """The name without the prefix that systemd credentials carry."""
    return name.removeprefix(PREFIX)


def _check_mode(mode: str, name: str, old: Secret | None) -> None:
    if mode == "create" and old is not None:
        raise MesoError(
            "secrets.exists",
            f"there is a secret {name} already",
            status=409,
            hint="`meso secret rotate` replaces it",
        )
    if mode == "rotate" and old is None:
        raise MesoError(
            "secrets.not_found",
            f"there is no secret {name}",
            status=404,
            hint="`meso secret list` shows what there is; `meso secret set` makes one",
        )


def _dumped(secrets: dict[str, Secret]) -> bytes:
    entries = {
        name: {"value": one.value, "set_at": one.set_at.isoformat(), "rotations": one.rotations}
        for name, one in secrets.items()
    }
    return json.dumps({"schema": 1, "secrets": entries}).encode()


def _loaded(plain: bytes) -> dict[str, Secret]:
    try:
        entries = json.loads(plain)["secrets"]
        return {
            name: Secret(one["value"], datetime.fromisoformat(one["set_at"]), int(one["rotations"]))
            for name, one in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MesoError("secrets.unreadable", "the secrets have a form that is not known") from None
