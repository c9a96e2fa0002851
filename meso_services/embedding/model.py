"""The model as its users see it: texts in, vectors, token counts and truncation marks out."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from meso_services.embedding import forward, half, weights
from meso_services.embedding.weights import Floats, Weights
from meso_services.runtime.blas import one_thread
from meso_services.runtime.errors import MesoError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAME = "all-MiniLM-L6-v2"
REVISION = half.REVISION[:8]
DIMENSION = 384
# Tokens that the model was trained on, with the marks of beginning and end.
WINDOW = 256
# The image's verified root; on the operator's computer the launcher's own place.
PLACES = (
    Path("/usr/share/meso/models") / NAME,
    Path(__file__).resolve().parents[2] / ".meso/models" / NAME,
)
# So many tokens go through the model at once: enough for its speed, little of memory.
_TOKENS_AT_ONCE = 1024
# No text needs more characters than this for a full window; the tokenizer is not asked further.
_MOST_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Embedded:
    """`vectors` of shape (texts, 384), L2-normalised; `tokens` counts what the model read."""

    vectors: Floats
    tokens: tuple[int, ...]
    truncated: tuple[bool, ...]


class Embedder:
    """The loaded model. One text's vector does not depend on the others beside it by more than
    rounding. Safe for several threads.
    """

    def __init__(self, directory: Path) -> None:
        """Load from a directory with model.safetensors and tokenizer.json.

        Raises MesoError `embed.no_model` when they are not there or are not the model's.
        """
        self._lock = threading.Lock()
        one_thread()
        try:
            self._weights: Weights = weights.read(directory / half.WEIGHTS)
            self._tokenizer = _tokenizer(directory / half.TOKENIZER)
        except (OSError, ValueError, KeyError, struct.error) as problem:
            raise _missing(directory, str(problem)) from problem

    def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors of `texts` in their order; an empty text has one too."""
        ids, cut = self._tokens(texts)
        vectors = np.empty((len(ids), DIMENSION), np.float32)
        # Equally long texts together: the largest of a group bounds its attention.
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        with self._lock:
            for group in _groups(order, ids):
                vectors[group] = forward.embed(self._weights, [ids[i] for i in group])
        return Embedded(vectors, tuple(len(one) for one in ids), cut)

    def _tokens(self, texts: Sequence[str]) -> tuple[list[list[int]], tuple[bool, ...]]:
        found = [
            self._tokenizer.encode(text[:_MOST_CHARACTERS], add_special_tokens=True).ids
            for text in texts
        ]
        cut = tuple(
            len(ids) > WINDOW or len(text) > _MOST_CHARACTERS
            for ids, text in zip(found, texts, strict=True)
        )
        return [_shortened(ids) for ids in found], cut


def locate(places: Sequence[Path] = PLACES) -> Path:
    """The directory that holds the model. MESO_MODEL names another. Raises `embed.no_model`."""
    given = os.environ.get("MESO_MODEL")
    for place in (Path(given),) if given else places:
        if (place / half.WEIGHTS).is_file() and (place / half.TOKENIZER).is_file():
            return place
    raise _missing(Path(given) if given else places[-1], "the files are not there")


def _shortened(ids: list[int]) -> list[int]:
    return ids if len(ids) <= WINDOW else [*ids[: WINDOW - 1], ids[-1]]


def _groups(order: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[int]]:
    groups: list[list[int]] = []
    room = 0
    for index in order:
        if len(ids[index]) > room:
            groups.append([])
            room = _TOKENS_AT_ONCE
        groups[-1].append(index)
        room -= len(ids[index])
    return groups


def _tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer  # noqa: PLC0415 (only who embeds needs it)

    made = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    made.no_padding()
    made.no_truncation()
    return made


def _missing(directory: Path, problem: str) -> MesoError:
    return MesoError(
        "embed.no_model",
        f"the embedding model is not in {directory}: {problem}",
        status=503,
        hint="the appliance's image has it; on your computer `meso mind init --offline` brings it",
    )
