"""Settings of the operon loader."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from meso_services.runtime.settings import Model, ServiceSettings, setting, table


class RegistrySettings(Model):
    """`[services.operon_loader.registry]`."""

    url: str = setting(
        "",
        max_length=500,
        pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?)?$",
        description=(
            "Address of the operon registry; empty: none. Its host must also stand in "
            "services.api_proxy.egress.allow."
        ),
        examples=["https://operons.example.org/meso"],
    )
    root_sha256: str = setting(
        "",
        pattern=r"^([0-9a-f]{64})?$",
        description=(
            "SHA-256 of the registry's metadata/1.root.json, as its owner told you: what all "
            "trust in it begins with. `meso operon publish` prints it."
        ),
    )
    cache_hours: float = setting(
        72.0,
        ge=0,
        le=8760,
        description=(
            "Hours for which the last verified listing and cached operons may be used before "
            "the registry must be asked again."
        ),
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.url) != bool(self.root_sha256):
            allowed = "url and root_sha256 together, or neither"
            raise PydanticCustomError(
                "registry_pin", "needs both url and root_sha256", {"allowed": allowed}
            )
        return self


class Settings(ServiceSettings):
    """`[services.operon_loader]` of the appliance's file."""

    budget_tokens: int = setting(
        8000,
        ge=0,
        le=1_000_000,
        description=(
            "Tokens that the operons loaded for one text may use together. "
            "What does not fit is left out and reported."
        ),
    )
    similarity_seconds: float = setting(
        2.0,
        ge=0,
        le=30,
        description=(
            "Seconds that the embedding model gets to judge triggers of similar meaning. "
            "After that they are left out, and the answer says so. 0: never ask it."
        ),
    )
    registry: RegistrySettings = table(RegistrySettings, "Where operons may be added from.")
