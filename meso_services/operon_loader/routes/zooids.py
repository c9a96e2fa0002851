"""The zooids (`load_zooids` of the protocol), and the instance's own copies of them."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import Depends, FastAPI

from meso_services.contract import identity as wire
from meso_services.contract import zooids as own
from meso_services.files.strict_yaml import DocumentError
from meso_services.genome.load import parse_zooid
from meso_services.genome.show import identity as views
from meso_services.operon_loader import zooids
from meso_services.operon_loader.holder import Holder
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.peer import Peer, require_operator

Operator = Annotated[Peer, Depends(require_operator)]


def add_routes(app: FastAPI, holder: Holder) -> None:
    """Add them to the service's application."""

    @app.get("/v1/zooids")
    def all_zooids() -> wire.ZooidsReply:
        """All zooids with their texts, in the order in which they are loaded."""
        loaded = holder.catalog.loaded
        return wire.ZooidsReply(zooids=tuple(views.zooid(zooid) for zooid in loaded.zooids))

    @app.get("/v1/zooids/copies", responses=errors(409))
    def copies() -> own.ZooidCopies:
        """How each local copy stands to the generation's, and what contradicts itself."""
        return own.ZooidCopies(copies=tuple(_copy(copy) for copy in _copies(holder)))

    @app.put("/v1/zooids/{name}", responses=errors(403, 404, 409, 507))
    def edit(name: str, request: own.EditZooid, _: Operator) -> own.ZooidCopy:
        """Change the local copy, or make one. For operators only."""
        with holder.lock:
            copy = _find(holder, name, new=request.text is not None)
            # Sent twice, it is done once.
            if request.text is None or copy.mine != request.text.encode():
                _unchanged(copy, request.mine_sha256)
            return _put(holder, _as_base(copy), request.text)

    @app.post("/v1/zooids/{name}/resolve", responses=errors(403, 404, 409, 507))
    def resolve(name: str, request: own.ResolveZooid, _: Operator) -> own.ZooidCopy:
        """Say what is in force where a local edit and an update contradict each other."""
        with holder.lock:
            copy = _find(holder, name)
            if request.keep == "text" and request.text is None:
                raise MesoError("zooid.no_text", "`keep` is text, but there is none", status=422)
            given = {"mine": _text(copy.mine), "theirs": _text(copy.theirs), "text": request.text}
            return _put(holder, copy, given[request.keep])


def _as_base(copy: zooids.Copy) -> zooids.Copy:
    """An edit during a conflict leaves the conflict: the base stays what was deployed."""
    return zooids.Copy(copy.file, copy.mine, copy.base, copy.base)


def _copies(holder: Holder) -> tuple[zooids.Copy, ...]:
    found = holder.catalog.copies
    if found is None:
        raise MesoError(
            "zooid.no_copies",
            f"this instance keeps no copies: {holder.source.zooids} is not there",
            status=409,
            hint="without a generation there is nothing to deploy",
        )
    return found.copies


def _find(holder: Holder, name: str, *, new: bool = False) -> zooids.Copy:
    file = f"{name}.md"
    for copy in _copies(holder):
        if copy.file == file:
            return copy
    if new:
        return zooids.Copy(file, None, None, None)
    raise MesoError(
        "zooid.not_found",
        f"there is no zooid {name[:100]!r}",
        status=404,
        hint="GET /v1/zooids/copies lists them",
    )


def _unchanged(copy: zooids.Copy, wanted: str | None) -> None:
    found = hashlib.sha256(copy.mine or b"").hexdigest()
    if wanted is not None and wanted != found:
        raise MesoError(
            "zooid.changed_meanwhile",
            f"{copy.file} is not the text any more that was edited",
            status=409,
            hint="read it again",
            detail={"sha256": found},
        )


def _put(holder: Holder, copy: zooids.Copy, text: str | None) -> own.ZooidCopy:
    raw = None if text is None else text.encode()
    if raw is not None:
        _check(copy.file, raw)
    try:
        zooids.put(holder.source.zooids, copy, raw)
    except OSError as error:
        raise storage_error(error, holder.source.zooids) from None
    finally:
        holder.refresh()
    there = [c for c in _copies(holder) if c.file == copy.file]
    return _copy(there[0] if there else zooids.Copy(copy.file, None, None, None))


def _check(file: str, raw: bytes) -> None:
    try:
        parse_zooid(file, raw, file)
    except DocumentError as error:
        raise MesoError(
            "zooid.invalid",
            str(error),
            status=422,
            hint="a zooid is `NN-NAME.md` with front matter: name, version, description",
            detail={"key": error.key},
        ) from None


def _copy(copy: zooids.Copy) -> own.ZooidCopy:
    return own.ZooidCopy(
        name=copy.file.removesuffix(".md"),
        state=copy.state,
        reason=copy.reason,
        contradictions=tuple(
            own.Contradiction(line=h.line, base=h.base, mine=h.mine, theirs=h.theirs)
            for h in copy.hunks
        ),
        mine=_text(copy.mine),
        base=_text(copy.base),
        theirs=_text(copy.theirs),
    )


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="replace")
