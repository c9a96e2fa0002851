"""The audit: a chain of records, one a line, each naming the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field

from meso_services.contract.common import Message

FIRST_PREVIOUS = "0" * 64
AuditKind = Literal[
    "start",
    "call",
    "decision",
    "approval",
    "violation",
    "result",
    "rotate",
    "torn",
    "policy",
]


class AuditRecord(Message):
    """One record. `hash` is over all other keys; `prev` is the hash of the record before."""

    seq: int
    time: str
    kind: AuditKind
    call_id: str = ""
    uid: int | None = None
    session: str = ""
    branch: str = ""
    tool: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    prev: str
    hash: str


class AuditPage(Message):
    """`GET /v1/audit?after=&limit=&call=`: records in order; `next` goes to `after`."""

    records: tuple[AuditRecord, ...]
    next: int | None = None


class AuditVerdict(Message):
    """`GET /v1/audit/verify`: whether the chain is whole, and from which record on it is not."""

    ok: bool
    records: int = Field(description="Records that were found to be sound")
    first: int | None = Field(default=None, description="Number of the oldest record kept")
    head: int | None = Field(default=None, description="Number of the newest sound record")
    head_hash: str = ""
    bad_from: int | None = Field(default=None, description="First record that is wrong or missing")
    file: str = ""
    problem: str = ""


def record_hash(record: dict[str, Any]) -> str:
    """SHA-256 over the record without `hash`: JSON, keys sorted, no spaces, UTF-8."""
    rest = {key: value for key, value in record.items() if key != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
