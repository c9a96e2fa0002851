"""What may go wrong with a registry, in stable codes: which promise of TUF was about to break."""

from __future__ import annotations

from tuf.api import exceptions as tuf

from meso_services.runtime.errors import MesoError

# In this order: the first class that fits counts.
_KINDS: tuple[tuple[type[Exception], str, str, str], ...] = (
    (
        tuf.BadVersionNumberError,
        "registry.rollback",
        "offers older metadata than was seen before, or a mixture of versions",
        "the mirror is out of date, or somebody replays an old registry",
    ),
    (
        tuf.ExpiredMetadataError,
        "registry.expired",
        "offers only expired metadata",
        "its owner signs it again with `meso operon publish`; also check this machine's clock",
    ),
    (
        tuf.UnsignedMetadataError,
        "registry.unsigned",
        "offers metadata that too few of its keys have signed",
        "do not use it; ask its owner which keys count",
    ),
    (
        tuf.LengthOrHashMismatchError,
        "registry.tampered",
        "offers a file that is not the one that was signed",
        "do not use it; its owner can publish again",
    ),
    (
        tuf.DownloadLengthMismatchError,
        "registry.too_large",
        "sends more than was signed or is allowed, so the download was stopped",
        "do not use it; its owner can publish again",
    ),
    (
        tuf.SlowRetrievalError,
        "registry.slow",
        "sends too slowly, so the download was stopped",
        "try again later, or another mirror",
    ),
    (
        tuf.DownloadHTTPError,
        "registry.incomplete",
        "lacks a file that its metadata names",
        "look at its address; its owner can publish again",
    ),
    (
        tuf.DownloadError,
        "registry.unreachable",
        "cannot be reached",
        "`meso status` shows the network; the host must stand in services.api_proxy.egress.allow",
    ),
    (
        tuf.RepositoryError,
        "registry.invalid",
        "offers metadata that cannot be accepted",
        "do not use it; its owner can publish again",
    ),
)
# With these the cache may be used within its time: nobody said anything that is wrong.
OFFLINE = frozenset({"registry.unreachable", "registry.slow"})


def refusal(error: Exception) -> MesoError:
    """The refusal of a registry for an error of the TUF client."""
    for kind, code, what, hint in _KINDS:
        if isinstance(error, kind):
            said = str(error) or type(error).__name__
            cause = f" ({error.__cause__})" if error.__cause__ else ""
            message = f"the registry {what}: {said}{cause}"[:600]
            return MesoError(code, message, status=502, hint=hint)
    raise error


def wrong_root(expected: str, found: str) -> MesoError:
    """The first root metadata is not the one that the operator pinned."""
    return MesoError(
        "registry.wrong_root",
        f"the registry's first root metadata has the SHA-256 {found}, not {expected}",
        status=502,
        hint="services.operon_loader.registry.root_sha256 must be what its owner told you",
    )
