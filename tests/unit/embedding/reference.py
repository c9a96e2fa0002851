"""The model once more, as its description reads: float64, one text, one head, one token at a time.

Nothing of our own code is used, not even to read the file.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_TYPES = {"F32": "<f4", "F16": "<f2"}


def tensors(data: bytes) -> dict[str, Array]:
    """A safetensors file's tensors as float64."""
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    found = {}
    for name, facts in head.items():
        if name != "__metadata__" and facts["dtype"] in _TYPES:
            begin, end = (8 + length + offset for offset in facts["data_offsets"])
            raw = np.frombuffer(data[begin:end], _TYPES[facts["dtype"]])
            found[name] = raw.astype(np.float64).reshape(facts["shape"])
    return found


def embed(model: dict[str, Array], ids: Sequence[int]) -> Array:
    """The unit vector of one text."""
    state = np.array(
        [
            model["embeddings.word_embeddings.weight"][token]
            + model["embeddings.position_embeddings.weight"][place]
            + model["embeddings.token_type_embeddings.weight"][0]
            for place, token in enumerate(ids)
        ]
    )
    state = _norm(model, "embeddings.LayerNorm", state)
    for number in range(6):
        state = _layer(model, f"encoder.layer.{number}", state)
    mean = state.mean(axis=0)
    return mean / math.sqrt(sum(x * x for x in mean))


def _layer(model: dict[str, Array], top: str, state: Array) -> Array:
    query, key, value = (
        _dense(model, f"{top}.attention.self.{part}", state) for part in ("query", "key", "value")
    )
    mixed = np.zeros_like(state)
    for head in range(12):
        columns = slice(head * 32, head * 32 + 32)
        for place in range(len(state)):
            scores = [
                float(query[place, columns] @ other) / math.sqrt(32) for other in key[:, columns]
            ]
            weights = [math.exp(score - max(scores)) for score in scores]
            for weight, other in zip(weights, value[:, columns], strict=True):
                mixed[place, columns] += weight / sum(weights) * other
    attended = _dense(model, f"{top}.attention.output.dense", mixed)
    state = _norm(model, f"{top}.attention.output.LayerNorm", state + attended)
    wide = _dense(model, f"{top}.intermediate.dense", state)
    wide = np.array([[x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in row] for row in wide])
    narrow = _dense(model, f"{top}.output.dense", wide)
    return _norm(model, f"{top}.output.LayerNorm", state + narrow)


def _dense(model: dict[str, Array], name: str, rows: Array) -> Array:
    return np.array([model[f"{name}.weight"] @ row + model[f"{name}.bias"] for row in rows])


def _norm(model: dict[str, Array], name: str, rows: Array) -> Array:
    done = []
    for row in rows:
        mean = sum(row) / len(row)
        spread = sum((x - mean) ** 2 for x in row) / len(row)
        scaled = (row - mean) / math.sqrt(spread + 1e-12)
        done.append(scaled * model[f"{name}.weight"] + model[f"{name}.bias"])
    return np.array(done)
