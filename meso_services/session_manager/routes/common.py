"""What the routes share: parameters, answers, and JSON that carries other programs' text."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Header, Query
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from pydantic import AfterValidator

from meso_services.contract.common import check_json
from meso_services.contract.session import BranchName, EntryId, IdempotencyKey, SessionId
from meso_services.runtime.app import errors

Key = Annotated[
    IdempotencyKey | None,
    Header(
        alias="Idempotency-Key",
        description="The same key again returns what the first request made",
    ),
]
Ident = Annotated[SessionId, InPath(alias="session")]
BranchIdent = Annotated[BranchName, InPath(alias="branch")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Words = Annotated[str, Query(min_length=1, max_length=2000), AfterValidator(check_json)]
Place = Annotated[EntryId, AfterValidator(check_json)]
DONE_BEFORE = "The idempotency key was used before; nothing was added"
READS = errors(404, 409, 507)
CHANGES = errors(404, 409, 507)


class AsciiJson(JSONResponse):
    """JSON in ASCII: carries half a character of another program's text, as its file does."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()
