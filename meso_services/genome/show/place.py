"""An identity from a directory: a genome, or a generation."""

from __future__ import annotations

from pathlib import Path

from meso_services.genome.load import STANDING_ORDERS, Loaded, load_below, load_genome


def read_identity_at(place: Path) -> Loaded:
    """Read the genome or generation at `place`. Raises FileNotFoundError for anything else."""
    if (place / STANDING_ORDERS).is_file():
        return load_genome(place)
    if (place / "genome" / STANDING_ORDERS).is_file() and (place / "operons").is_dir():
        return load_below(place)
    raise FileNotFoundError(2, "is neither a genome nor a generation", str(place))
