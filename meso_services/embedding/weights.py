"""The model's tensors, mapped from the file: what is not used costs no memory."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meso_services.embedding.half import Tensor, tensors

Floats = NDArray[np.float32]
LAYERS = 6
PANEL = 32
_TYPES = {"F16": "<f2", "F32": "<f4"}


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm's scale and offset, each of shape (384,)."""

    scale: Floats
    offset: Floats


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer layer. Matrices are panels, see `panels`; `qkv` is query, key and value
    in one.
    """

    qkv: Floats
    qkv_bias: Floats
    out: Floats
    out_bias: Floats
    after_attention: Norm
    up: Floats
    up_bias: Floats
    down: Floats
    down_bias: Floats
    after_feed: Norm


@dataclass(frozen=True, slots=True)
class Weights:
    """`words` stays in the file's own type and on the disk until a row is used."""

    words: NDArray[np.floating]
    positions: Floats
    segment: Floats
    entry: Norm
    layers: tuple[Layer, ...]


def read(path: Path) -> Weights:
    """Map a safetensors file of the model, float16 or float32. Raises OSError or ValueError."""
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    raw = {name: _view(tensor) for name, tensor in tensors(data).items()}
    find = _Named(raw)
    return Weights(
        words=raw["embeddings.word_embeddings.weight"],
        positions=find.single("embeddings.position_embeddings.weight"),
        segment=find.single("embeddings.token_type_embeddings.weight")[0],
        entry=find.norm("embeddings.LayerNorm"),
        layers=tuple(find.layer(f"encoder.layer.{number}") for number in range(LAYERS)),
    )


def panels(matrix: Floats) -> Floats:
    """A matrix (out, in) as panels of its columns, shape (out / PANEL, in, PANEL).

    A product with one panel of a few rows is small enough for OpenBLAS to take the numbers from
    where they are. A larger one it packs anew each time, which for one sentence costs more than
    the multiplication.
    """
    found: Floats = np.ascontiguousarray(
        matrix.reshape(-1, PANEL, matrix.shape[1]).transpose(0, 2, 1)
    )
    return found


def _view(tensor: Tensor) -> NDArray[np.floating]:
    raw: NDArray[np.uint8] = np.frombuffer(tensor.data, np.uint8)
    return raw.view(_TYPES.get(tensor.dtype, "<i8")).reshape(tensor.shape)


@dataclass(frozen=True, slots=True)
class _Named:
    raw: Mapping[str, NDArray[np.floating]]

    def single(self, name: str) -> Floats:
        return np.ascontiguousarray(self.raw[name], np.float32)

    def norm(self, name: str) -> Norm:
        return Norm(self.single(f"{name}.weight"), self.single(f"{name}.bias"))

    def matrix(self, *names: str) -> Floats:
        return panels(np.concatenate([self.single(f"{name}.weight") for name in names]))

    def bias(self, *names: str) -> Floats:
        return np.concatenate([self.single(f"{name}.bias") for name in names])

    def layer(self, top: str) -> Layer:
        parts = [f"{top}.attention.self.{part}" for part in ("query", "key", "value")]
        dense, up, down = (
            f"{top}.attention.output.dense",
            f"{top}.intermediate.dense",
            f"{top}.output.dense",
        )
        return Layer(
            qkv=self.matrix(*parts),
            qkv_bias=self.bias(*parts),
            out=self.matrix(dense),
            out_bias=self.bias(dense),
            after_attention=self.norm(f"{top}.attention.output.LayerNorm"),
            up=self.matrix(up),
            up_bias=self.bias(up),
            down=self.matrix(down),
            down_bias=self.bias(down),
            after_feed=self.norm(f"{top}.output.LayerNorm"),
        )
