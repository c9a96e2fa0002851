"""Settings of the memory manager."""

from __future__ import annotations

from typing import Literal

from meso_services.runtime.settings import ServiceSettings, memory_limit, setting
from meso_services.runtime.sizes import Size


class Settings(ServiceSettings):
    """`[services.memory_manager]` of the appliance's file."""

    memory_max: Size = memory_limit("512M")
    content_max: Size = setting(
        "64K",
        description="Largest memory taken, and largest file searched, in bytes of UTF-8.",
        examples=["64K"],
    )
    rescan_seconds: float = setting(
        1.0,
        ge=0,
        le=3600,
        description="Edits by hand are noticed by a search after at most this many seconds.",
    )
    watch_seconds: float = setting(
        30.0,
        gt=0,
        le=86400,
        description="Edits by hand are noticed and committed after at most this many seconds, "
        "without any search.",
    )
    half_life_days: float = setting(
        30.0,
        gt=0,
        le=36500,
        description="Days in which an unused memory's strength halves.",
    )
    use_gain: float = setting(
        0.5,
        ge=0,
        le=10,
        description="Strength that a memory gains by being read; a fifth of it by being found.",
    )
    strength_max: float = setting(
        4.0, ge=1, le=100, description="Strength above which use no longer strengthens."
    )
    contradicted_factor: float = setting(
        4.0, ge=1, le=100, description="How many times as fast a contradicted memory fades."
    )
    secrets: Literal["mask", "refuse"] = setting(
        "mask",
        description="What becomes of a text that holds what looks like a key, token or password.",
    )
    source_per_minute: float = setting(
        120.0,
        ge=0,
        le=1_000_000,
        description="Writes a minute that one source may make in the long run; 0 is without limit.",
    )
    source_burst: int = setting(
        60, ge=1, le=1_000_000, description="Writes that one source may make at once."
    )
    embedding_model: str = setting(
        "local",
        min_length=1,
        max_length=200,
        description="Model of the embeddings: `local` is the appliance's own; another name is "
        "asked of the API proxy. A change builds the index anew.",
        examples=["local", "openai/text-embedding-3-small"],
    )
    embedding_dim: int = setting(
        384, ge=2, le=8192, description="Numbers in an embedding of that model."
    )
    # As measured on the haystacks of `meso bench memory` (decision 0106).
    words_weight: float = setting(
        0.3,
        ge=0,
        le=1,
        description="How much words count in a search beside meaning.",
    )
    strength_weight: float = setting(
        0.3,
        ge=0,
        le=1,
        description="Share of a result's score that a memory of no strength loses.",
    )
    embed_seconds: float = setting(
        2.0,
        gt=0,
        le=60,
        description="Longest wait for an embedding; a memory is findable by words without it.",
    )
