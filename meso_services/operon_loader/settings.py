"""Settings of the operon loader."""

from __future__ import annotations

from meso_services.runtime.settings import ServiceSettings, setting


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
