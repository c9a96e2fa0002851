"""A registry as a client sees it: what it lists, and its operons, both believed only when signed.

Trust begins with one hash: the SHA-256 of the registry's first root metadata, which the
operator writes into the appliance's file. From there python-tuf follows every rotation
of keys. What was verified is kept, so that the last listing and cached operons can be
used without the network, for `cache_seconds` after the last verification.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from tuf.api._payload import Targets
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from meso_services.registry.errors import OFFLINE, refusal, wrong_root
from meso_services.registry.listing import Entry, entry
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError

ROOT_BYTES = 512_000
TARGETS_BYTES = 16 << 20
STATE = "listing.json"
# A clock that was set back must not make an old listing young again.
_CLOCK_TOLERANCE = timedelta(minutes=5)
_FAILURES = (RepositoryError, DownloadError)


@dataclass(frozen=True)
class Trust:
    """Which registry: its address, the pinned first root, and how long its cache counts."""

    url: str
    root_sha256: str
    cache_seconds: float


class Listing(BaseModel):
    """What the registry listed when it was last verified."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verified: datetime
    expires: datetime
    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()
    offline: str = ""

    def find(self, name: str, version: str) -> Entry | None:
        """The entry of one version."""
        wanted = (e for e in self.entries if (e.head.name, e.head.version) == (name, version))
        return next(wanted, None)


class Registry:
    """One registry below `place`, a directory of its own. One thread at a time."""

    def __init__(
        self,
        place: Path,
        trust: Trust,
        fetcher: FetcherInterface,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # A registry of another root shares nothing with this one.
        self._place = place / trust.root_sha256[:32]
        self._trust = trust
        self._fetcher = fetcher
        self._now = now

    def refresh(self) -> Listing:
        """Ask the registry, and keep what it lists. Raises MesoError `registry.*`."""
        return self._listed(self._updater())

    def listing(self) -> Listing:
        """Ask the registry, or use what is known where it cannot be reached.

        Raises MesoError: `registry.*`, in particular `registry.cache_expired`.
        """
        try:
            return self.refresh()
        except MesoError as error:
            if error.code not in OFFLINE or (known := self._stored()) is None:
                raise
            self._require_fresh(known, error.message)
            return known.model_copy(update={"offline": error.message})

    def known(self) -> Listing | None:
        """What was listed last, without asking anybody; None when that is too old."""
        known = self._stored()
        if known is not None:
            try:
                self._require_fresh(known, "")
            except MesoError:
                return None
        return known

    def cached(self, wanted: Entry) -> bytes | None:
        """The operon from the cache, verified again; None when it isn't there."""
        with contextlib.suppress(OSError):
            raw = self._cache(wanted).read_bytes()
            if hashlib.sha256(raw).hexdigest() == wanted.sha256:
                return raw
        return None

    def fetch(self, wanted: Entry) -> bytes:
        """One operon's bytes, as approved. Raises MesoError `registry.*`.

        The registry must still list exactly these bytes: a withdrawn operon is refused.
        Offline, the cache serves within its time.
        """
        try:
            updater = self._updater()
            listed = self._listed(updater).find(wanted.head.name, wanted.head.version)
            if listed is None or listed.sha256 != wanted.sha256:
                raise _withdrawn(wanted)
            return self.cached(wanted) or self._download(updater, wanted)
        except MesoError as error:
            if error.code not in OFFLINE:
                raise
            known, raw = self._stored(), self.cached(wanted)
            if raw is None or known is None:
                raise
            self._require_fresh(known, error.message)
            return raw

    def _updater(self) -> Updater:
        self._place.mkdir(parents=True, exist_ok=True, mode=0o750)
        config = UpdaterConfig(root_max_length=ROOT_BYTES, targets_max_length=TARGETS_BYTES)
        base = self._trust.url.rstrip("/")
        try:
            updater = Updater(
                metadata_dir=str(self._place),
                metadata_base_url=f"{base}/metadata/",
                target_base_url=f"{base}/targets/",
                fetcher=self._fetcher,
                config=config,
                bootstrap=self._bootstrap(),
            )
            updater.refresh()
        except _FAILURES as error:
            raise refusal(error) from None
        return updater

    def _bootstrap(self) -> bytes:
        """The pinned first root metadata, brought once."""
        file = self._place / "bootstrap.json"
        if file.exists():
            raw = file.read_bytes()
        else:
            url = f"{self._trust.url.rstrip('/')}/metadata/1.root.json"
            raw = self._fetcher.download_bytes(url, ROOT_BYTES)
        found = hashlib.sha256(raw).hexdigest()
        if found != self._trust.root_sha256:
            file.unlink(missing_ok=True)
            raise wrong_root(self._trust.root_sha256, found)
        if not file.exists():
            durable.write(file, raw)
        return raw

    def _listed(self, updater: Updater) -> Listing:
        # The public interface only asks for one path; a listing needs them all.
        trusted = updater._trusted_set
        found, problems = entries(trusted.targets)
        listing = Listing(
            verified=self._now(),
            expires=min(r.expires for r in (trusted.root, trusted.snapshot, trusted.targets)),
            entries=tuple(found),
            problems=tuple(problems),
        )
        durable.write(self._place / STATE, listing.model_dump_json().encode())
        return listing

    def _download(self, updater: Updater, wanted: Entry) -> bytes:
        self._cache(wanted).parent.mkdir(exist_ok=True, mode=0o750)
        try:
            info = updater.get_targetinfo(wanted.target)
            if info is None or info.hashes.get("sha256") != wanted.sha256:
                raise _withdrawn(wanted)
            updater.download_target(info, str(self._cache(wanted)))
        except _FAILURES as error:
            raise refusal(error) from None
        raw = self.cached(wanted)
        if raw is None:
            raise _withdrawn(wanted)
        return raw

    def _cache(self, wanted: Entry) -> Path:
        return self._place / "cache" / wanted.sha256

    def _stored(self) -> Listing | None:
        try:
            return Listing.model_validate_json((self._place / STATE).read_bytes())
        except (OSError, ValidationError):
            return None

    def _require_fresh(self, known: Listing, why: str) -> None:
        """Raises `registry.cache_expired` unless the cache may be used now."""
        now = self._now()
        until = min(known.verified + timedelta(seconds=self._trust.cache_seconds), known.expires)
        if known.verified - _CLOCK_TOLERANCE <= now < until:
            return
        raise MesoError(
            "registry.cache_expired",
            f"the registry was last verified at {known.verified:%Y-%m-%d %H:%M} UTC, and its "
            f"cache counted until {until:%Y-%m-%d %H:%M} UTC. {why}".strip(),
            status=502,
            hint="bring the network back, or raise services.operon_loader.registry.cache_hours",
        )


def entries(targets: Targets) -> tuple[list[Entry], list[str]]:
    """The operons among the targets, and what says that it is one and is not."""
    found, problems = [], []
    for path, target in sorted(targets.targets.items()):
        said = target.unrecognized_fields.get("custom")
        try:
            one = entry(path, target.length, target.hashes, said)
        except ValueError as error:
            problems.append(f"{path!r}: {error}"[:300])
            continue
        if one is not None:
            found.append(one)
    return found, problems


def _withdrawn(wanted: Entry) -> MesoError:
    return MesoError(
        "registry.withdrawn",
        f"the registry does not list {wanted.head.name} {wanted.head.version} with these bytes "
        "(any more)",
        status=502,
        hint="`meso operon search` shows what it lists; `meso operon remove` takes it out",
    )
