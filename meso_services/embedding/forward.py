"""The forward pass, in numpy: tokens in, one unit vector per text out.

Texts are not padded. The tokens of all texts stand one below the other, so that every matrix
product is one large one; only attention looks at each text alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meso_services.embedding.weights import Floats, Layer, Norm, Weights

HEADS = 12
_EPSILON = np.float32(1e-12)
_SMALL = 1_000_000
_ROOT_HALF = np.float32(0.7071067811865476)


def embed(weights: Weights, texts: Sequence[Sequence[int]]) -> Floats:
    """Vectors of shape (texts, 384), L2-normalised, of texts given as token ids (never empty)."""
    lengths = [len(ids) for ids in texts]
    ends = np.cumsum(lengths)
    spans = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    places = np.concatenate([np.arange(length) for length in lengths])
    words = weights.words[np.concatenate([np.asarray(ids) for ids in texts])]
    state = words.astype(np.float32) + weights.positions[places] + weights.segment
    state = _norm(state, weights.entry)
    for layer in weights.layers:
        state = _layer(state, layer, spans)
    pooled = np.stack([state[span].mean(axis=0) for span in spans])
    lengths_of = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), _EPSILON)
    unit: Floats = pooled / lengths_of
    return unit


def _layer(state: Floats, layer: Layer, spans: Sequence[slice]) -> Floats:
    mixed = _attend(_product(state, layer.qkv, layer.qkv_bias), spans)
    state = _norm(state + _product(mixed, layer.out, layer.out_bias), layer.after_attention)
    fed = _product(_gelu(_product(state, layer.up, layer.up_bias)), layer.down, layer.down_bias)
    return _norm(state + fed, layer.after_feed)


def _product(rows: Floats, panels: Floats, bias: Floats) -> Floats:
    """`rows` (n, in) times a matrix in panels, plus its bias; shape (n, out)."""
    count, inner, width = panels.shape
    found = np.empty((len(rows), count, width), np.float32)
    # So many rows at once as OpenBLAS still multiplies without packing.
    at_once = _SMALL // (inner * width)
    for at in range(0, len(rows), at_once):
        part = slice(at, at + at_once)
        np.matmul(rows[part], panels, out=found[part].transpose(1, 0, 2))
    flat = found.reshape(len(rows), count * width)
    flat += bias
    return flat


def _attend(joined: Floats, spans: Sequence[slice]) -> Floats:
    width = joined.shape[1] // 3
    size = width // HEADS
    mixed = np.empty((len(joined), width), np.float32)
    for span in spans:
        heads = joined[span].reshape(-1, 3, HEADS, size).transpose(1, 2, 0, 3)
        scores = heads[0] @ heads[1].transpose(0, 2, 1)
        scores *= np.float32(size**-0.5)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed[span] = (scores @ heads[2]).transpose(1, 0, 2).reshape(-1, width)
    return mixed


def _norm(values: Floats, norm: Norm) -> Floats:
    centred: Floats = values - values.mean(axis=-1, keepdims=True)
    spread = np.einsum("ij,ij->i", centred, centred)[:, None] / np.float32(values.shape[-1])
    centred /= np.sqrt(spread + _EPSILON)
    centred *= norm.scale
    centred += norm.offset
    return centred


def _gelu(values: Floats) -> Floats:
    """The exact GELU; erf by formula 7.1.26 of Abramowitz and Stegun, which errs below 1.5e-7."""
    size = np.abs(values)
    size *= _ROOT_HALF
    t = np.float32(1) / (np.float32(0.3275911) * size + np.float32(1))
    poly = np.full_like(t, 1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        poly *= t
        poly += np.float32(factor)
    poly *= t
    np.multiply(size, size, out=size)
    np.negative(size, out=size)
    poly *= np.exp(size, out=size)
    # x * (1 + erf(x / sqrt 2)) / 2, and erf of a negative is that of its size, negated.
    half = values * np.float32(0.5)
    found: Floats = half + np.abs(half) * (np.float32(1) - poly)
    return found
