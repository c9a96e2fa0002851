"""Which packages some requirements pull in."""

from __future__ import annotations

import pytest

from meso_host.errors import HostError
from meso_host.lock.closure import closure
from meso_host.lock.pip import Found


def _found(**requires: tuple[str, ...]) -> dict[str, Found]:
    return {n: Found(n, "1", f"{n}-1-py3-none-any.whl", "0" * 64, r) for n, r in requires.items()}


def test_an_extra_brings_its_packages() -> None:
    """`web[tls]` needs what web declares under that extra, and what that needs in turn."""
    found = _found(app=("web[tls]",), web=('sealer; extra == "tls"',), sealer=("ffi",), ffi=())
    assert closure(["app"], found, ["3.11"]) == {"app", "web", "sealer", "ffi"}
    assert closure(["web"], found, ["3.11"]) == {"web"}


def test_an_extra_that_is_asked_for_later_still_counts() -> None:
    """The same package twice, once without and once with an extra."""
    found = _found(web=('sealer; extra == "tls"',), other=("web[tls]",), sealer=())
    assert closure(["web", "other"], found, ["3.11"]) == {"web", "other", "sealer"}


def test_what_only_a_newer_python_needs_is_there() -> None:
    """The lock serves every tested Python."""
    found = _found(app=('extra-part; python_version >= "3.13"',)) | _found(**{"extra-part": ()})
    assert closure(["app"], found, ["3.11"]) == {"app"}
    assert closure(["app"], found, ["3.11", "3.13"]) == {"app", "extra-part"}


def test_what_is_omitted_goes_with_what_only_it_needs() -> None:
    """What two need stays."""
    found = _found(model=("hub", "shared"), hub=("sync", "shared"), sync=(), shared=())
    assert closure(["model"], found, ["3.11"], ["hub"]) == {"model", "shared"}


def test_a_package_that_pip_did_not_resolve_is_named() -> None:
    """pip judged the marker for an older Python."""
    with pytest.raises(HostError, match=r"3\.13 needs late"):
        closure(["app"], _found(app=('late; python_version >= "3.13"',)), ["3.13"])
