"""Messages about the API keys that the proxy keeps: set and named, never shown."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from meso_services.contract.common import Message

NAME = r"^(?:meso\.)?[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MAX_VALUE = 8192


class SetSecret(Message):
    """A value to keep (`PUT /v1/secrets/{name}`). `mode` says what must be there already."""

    value: str = Field(min_length=1, max_length=MAX_VALUE, repr=False)
    mode: Literal["set", "create", "rotate"] = Field(
        default="set", description="`create`: the name must be new; `rotate`: it must be there"
    )


class SecretInfo(Message):
    """What is known about a secret without knowing it."""

    name: str
    set_at: datetime
    rotations: int = Field(default=0, description="How often its value was replaced")


class SecretList(Message):
    """All secrets, and what guards them."""

    secrets: tuple[SecretInfo, ...]
    protection: Literal["tpm2", "host", "none", "passed"] = Field(
        description="What the key to them is bound to: a TPM, a file on the same disk, nothing "
        "(there is no key), or a credential that the machine was started with"
    )


class SecretGone(Message):
    """Answer of `DELETE /v1/secrets/{name}`."""

    name: str
    deleted: bool
