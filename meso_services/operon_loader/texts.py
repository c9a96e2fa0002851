"""The texts of what loads; those of lazy operons are brought when they are called for."""

from __future__ import annotations

from dataclasses import replace

from meso_services.genome.budget import Choice, Match
from meso_services.genome.requires import required
from meso_services.operon_loader.catalog import Catalog
from meso_services.operon_loader.remote import Remote, operon_of
from meso_services.runtime.errors import MesoError


def text_of(catalog: Catalog, name: str, remote: Remote) -> str:
    """One operon's text. Raises MesoError `registry.*` for a lazy one that cannot be brought."""
    operon = catalog.operon(name)
    if catalog.loaded.origins.get(name) != "lazy":
        return operon.text
    entry = catalog.lazy[name]
    return operon_of(entry, remote.files(entry)).text


def with_texts(catalog: Catalog, match: Match, remote: Remote) -> tuple[Match, dict[str, str]]:
    """What loads with its texts. What cannot be brought, or needs such a one, is left out."""
    texts: dict[str, str] = {}
    loaded: list[Choice] = []
    left_out = list(match.left_out)
    for choice in match.loaded:
        name = choice.operon.head.name
        absent = [other for other, _ in required(choice.operon) if other not in texts]
        try:
            if absent:
                raise MesoError("operon.requires_missing", f"{absent[0]} could not be brought")
            texts[name] = text_of(catalog, name, remote)
            loaded.append(choice)
        except MesoError as error:
            left_out.append(replace(choice, note=f"{error.code}: {error.message}"))
    tokens = sum(choice.operon.tokens for choice in loaded)
    return Match(tuple(loaded), tuple(left_out), tokens), texts
