"""Makes plans of changes and carries them out: add, update, remove, undo."""

from __future__ import annotations

from collections.abc import Callable

from meso_services.contract import operons as wire
from meso_services.files.strict_yaml import DocumentError
from meso_services.genome.requires import number
from meso_services.operon_loader import changes
from meso_services.operon_loader import plan as plans
from meso_services.operon_loader.holder import Holder
from meso_services.operon_loader.own import pins
from meso_services.operon_loader.remote import Remote, files_of, operon_of
from meso_services.registry.listing import Entry, newest
from meso_services.runtime.errors import MesoError, storage_error


class Changer:
    """Changes of one instance's operons. The caller of `apply` holds the holder's lock."""

    def __init__(self, holder: Holder, remote: Remote) -> None:
        self._holder = holder
        self._remote = remote
        self._operons = holder.source.operons

    def plan(self, request: wire.ChangeRequest) -> wire.ChangePlan:
        """What it would do. Raises MesoError."""
        if request.action == "undo":
            return self._undoing()[1]
        return self._step(request).shown

    def apply(self, request: wire.ChangeRequest) -> wire.ChangeDone:
        """Do what was planned, if it is still that. Raises MesoError, and changes nothing then."""
        if request.action == "undo":
            change, shown = self._undoing()
            _same(request, shown)
            done = self._write(lambda: changes.undo(self._operons, change))
            catalog = self._holder.refresh()
        else:
            step = self._step(request)
            shown = step.shown
            _same(request, shown)
            done = self._write(lambda: self._carry_out(step))
            catalog = self._holder.refresh()
            if step.files is not None:
                self._require_loaded(shown.name, done)
        return wire.ChangeDone(id=done.id, change=shown, identity=catalog.loaded.hash)

    def past(self) -> wire.PastChanges:
        """The changes that are kept."""
        return wire.PastChanges(
            changes=tuple(
                wire.PastChange(
                    id=c.id, what=c.what, name=c.name, at=c.at, undone=c.state == "undone"
                )
                for c in changes.history(self._operons)
            )
        )

    def _step(self, request: wire.ChangeRequest) -> plans.Step:
        name = request.name
        if name is None:
            raise MesoError("operon.no_name", f"{request.action} needs a name", status=422)
        now = self._here(name)
        if request.action == "remove":
            return _removal(name, now)
        if request.action == "update" and now.origin not in ("registry", "lazy"):
            raise MesoError(
                "operon.not_of_the_registry",
                f"{name} did not come from the registry, so it is not updated from there",
                status=409,
                hint="`meso operon list` shows where each comes from",
            )
        lazy = request.lazy or (request.action == "update" and now.origin == "lazy")
        entry = self._entry(name, request)
        _check_place(name, now, lazy)
        self._check_newer(name, entry, now, request)
        files = self._remote.files(entry)
        operon = operon_of(entry, files)
        plans.check_known(self._holder.catalog, operon)
        return plans.addition(request.action, entry, files, operon, now, lazy)

    def _here(self, name: str) -> plans.Here:
        source = self._holder.source
        try:
            found = plans.here(self._holder.catalog, name, self._operons, source.generation)
            if found.origin == "lazy":
                for pin in pins(self._operons, []):
                    if pin.head.name == name and (raw := self._remote.cached(pin)):
                        return plans.Here(found.operon, "lazy", files_of(pin, raw))
        except (OSError, DocumentError) as error:
            # What lies there is no operon: it can still be removed or replaced.
            return plans.Here(None, "instance", {"OPERON.md": f"unreadable: {error}\n".encode()})
        return found

    def _entry(self, name: str, request: wire.ChangeRequest) -> Entry:
        listing = self._remote.listing()
        wanted = (
            listing.find(name, request.version)
            if request.version
            else newest(listing.entries).get(name)
        )
        if wanted is None:
            raise MesoError(
                "registry.no_such_operon",
                f"the registry lists no operon {name} {request.version or ''}".rstrip(),
                status=404,
                hint="`meso operon search` shows what it lists",
            )
        return wanted

    def _check_newer(
        self, name: str, entry: Entry, now: plans.Here, request: wire.ChangeRequest
    ) -> None:
        """Nothing is replaced by the same, and an update never goes back by itself."""
        if now.operon is None or now.origin in ("generation", "instance"):
            return
        here, there = number(now.operon.head.version), number(entry.head.version)
        same_kind = (now.origin == "lazy") == (
            request.lazy or (request.action == "update" and now.origin == "lazy")
        )
        if (there == here and same_kind and not now.edited) or (
            there < here and not request.version
        ):
            raise MesoError(
                "operon.up_to_date",
                f"{name} is at {now.operon.head.version}; the registry has {entry.head.version}",
                status=409,
                hint="give --version to take another one",
            )

    def _require_loaded(self, name: str, done: changes.Change) -> None:
        """Take back what does not load, whatever the plan said."""
        catalog = self._holder.catalog
        if any(operon.head.name == name for operon in catalog.loaded.operons):
            return
        problems = [str(p) for p in catalog.loaded.problems if f"/{name}" in str(p)]
        self._write(lambda: changes.undo(self._operons, done))
        self._holder.refresh()
        raise MesoError(
            "operon.does_not_load",
            f"{name} would not load, so nothing was changed: {'; '.join(problems)}"[:1000],
            status=409,
            hint="`meso operon list` shows what kept it from loading",
        )

    def _carry_out(self, step: plans.Step) -> changes.Change:
        shown = step.shown
        what = f"{shown.action} {shown.name} {shown.to_version or shown.from_version or ''}"
        return changes.apply(self._operons, shown.name, step.place, step.files, what.strip())

    def _undoing(self) -> tuple[changes.Change, wire.ChangePlan]:
        change = changes.last(self._operons)
        if change is None:
            raise MesoError("operon.nothing_to_undo", "there is no change to undo", status=409)
        try:
            before = changes.files(self._operons / change.place) or {}
            after = changes.old(self._operons, change) or {}
        except OSError as error:
            raise storage_error(error, self._operons) from None
        return change, plans.undoing(change.name, change.what, before, after)

    def _write(self, work: Callable[[], changes.Change]) -> changes.Change:
        if not self._operons.is_dir():
            raise MesoError(
                "operon.no_place",
                f"{self._operons} is not there, so this instance keeps no operons of its own",
                status=409,
            )
        try:
            return work()
        except OSError as error:
            raise storage_error(error, self._operons) from None


def _removal(name: str, now: plans.Here) -> plans.Step:
    if now.origin in ("instance", "registry", "lazy"):
        return plans.removal(name, now)
    if now.origin == "generation":
        raise MesoError(
            "operon.of_the_generation",
            f"{name} is part of the generation, which is read-only",
            status=409,
            hint="take it out of the genome, and switch to the new generation",
        )
    raise MesoError(
        "identity.no_such_operon",
        f"there is no operon {name} here",
        status=404,
        hint="`meso operon list` shows them",
    )


def _check_place(name: str, now: plans.Here, lazy: bool) -> None:
    if now.origin == "instance":
        raise MesoError(
            "operon.own_folder",
            f"{name} is a folder of this instance's own, which the registry does not replace",
            status=409,
            hint=f"`meso operon remove {name}` first",
        )
    if lazy and now.origin == "registry":
        raise MesoError(
            "operon.is_here",
            f"{name} is here in full, so approving it as lazy would do nothing",
            status=409,
            hint=f"`meso operon remove {name}` first",
        )
    if lazy and now.origin == "generation":
        raise MesoError(
            "operon.of_the_generation",
            f"{name} is part of the generation, which a lazy one does not hide",
            status=409,
            hint="add it without --lazy",
        )


def _same(request: wire.ChangeRequest, shown: wire.ChangePlan) -> None:
    if request.plan is None:
        raise MesoError(
            "operon.not_confirmed",
            "a change is confirmed by the plan that was shown",
            status=422,
            hint="POST /v1/changes/plan shows it",
        )
    if request.plan != shown.plan:
        raise MesoError(
            "operon.plan_changed",
            "what the change would do is not what was shown any more",
            status=409,
            hint="look at the new plan",
            detail={"plan": shown.plan},
        )
