"""`meso status` shows what the operator needs, fits the console, and never fails."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meso_cli.status import view
from meso_cli.status.collect import collect
from meso_cli.status.model import (
    Address,
    Generation,
    LastBoot,
    Service,
    SlotState,
    Space,
    Status,
    ThisBoot,
)
from meso_services.boot import records
from meso_services.boot.machine import SERVICES, Machine
from meso_services.boot.record import close_record, open_record

from .conftest import Serve, health, put

SHOWN = Status(
    version="7",
    hostname="box",
    healthy=True,
    uptime_seconds=8130,
    slot=SlotState("a", "7", "abcd", True),
    generation=Generation(0, "/usr/share/meso/factory", "sha256:00"),
    services=tuple(Service(name, "ok", "") for name in SERVICES),
    this_boot=ThisBoot(3, True, 12.0, ""),
    last_boot=LastBoot("clean", "shut down in order", "7"),
    addresses=(Address("eth0", "192.0.2.7"),),
    memory=Space(400 << 20, 2 << 30),
    disk=Space(1 << 30, 8 << 30),
    warnings=(),
)
words = st.text(st.characters(blacklist_categories=["C", "Z"], max_codepoint=0x7E), min_size=1)
lines = st.lists(words, max_size=30).map(" ".join)


def _failed(service: Service) -> Service:
    return replace(service, state="failed", detail="store: disk is full")


def test_the_page_says_what_counts() -> None:
    page = view.full(SHOWN)
    assert page.splitlines()[:2] == [
        "MESO OS 7 on box: healthy",
        "slot a, generation 0 (factory), up 2 h 15 min",
    ]
    for text in ("session manager", "clean: shut down in order", "192.0.2.7 (eth0)", "1.0 GiB of"):
        assert text in page


def test_the_brief_form_is_two_lines_when_all_is_well() -> None:
    assert len(view.brief(SHOWN).splitlines()) == 2


def test_the_brief_form_names_what_is_not_well() -> None:
    services = (_failed(SHOWN.services[0]), *SHOWN.services[1:])
    text = view.brief(replace(SHOWN, healthy=False, services=services))
    assert "NOT HEALTHY" in text
    assert "session-manager: failed store: disk is full" in text


def test_a_degraded_service_shows_in_the_headline_without_alarm() -> None:
    services = (*SHOWN.services[:-1], replace(SHOWN.services[-1], state="degraded"))
    first = view.brief(replace(SHOWN, services=services)).splitlines()[0]
    assert first == "MESO OS 7 on box: healthy (degraded: mind-runner)"


@given(detail=lines, reason=lines, warnings=st.lists(lines, max_size=4))
def test_ordinary_words_never_pass_80_columns(
    detail: str, reason: str, warnings: list[str]
) -> None:
    shown = replace(
        SHOWN,
        services=tuple(replace(s, state="degraded", detail=detail) for s in SHOWN.services),
        last_boot=LastBoot("power-loss", reason, "7"),
        warnings=tuple(warnings),
    )
    for text in (view.full(shown), view.brief(replace(shown, healthy=False))):
        body = [line for line in text.splitlines() if not line.startswith("MESO OS")]
        assert max(map(len, body)) < 80


def test_it_is_collected_from_an_appliance(machine: Machine, serve: Serve) -> None:
    open_record(machine)
    close_record(machine)
    put(machine.boot_id, "boot-2")
    open_record(machine)
    for service in SERVICES[1:]:
        serve(service, health("ok"), 200)
    failed = health("failed", {"name": "store", "ok": False, "ms": 1, "detail": "full"})
    serve(SERVICES[0], failed, 503)
    put(machine.root / "factory/manifest.json", '{"counter": 4, "identity": {"hash": "sha256:1"}}')
    (machine.sockets / "current").symlink_to(machine.root / "factory")
    status = collect(machine)
    assert not status.healthy
    assert status.version == "7"
    assert status.services[0] == Service("session-manager", "failed", "store: full")
    assert all(service.well for service in status.services[1:])
    assert status.generation.counter == 4
    assert status.last_boot is not None
    assert status.last_boot.outcome == "clean"
    assert json.loads(json.dumps(asdict(status)))["services"][0]["state"] == "failed"


def test_a_temporary_state_is_said_loudly(machine: Machine) -> None:
    open_record(machine)
    put(machine.initrd / "degraded", "no partition meso-state was found\n")
    status = collect(machine)
    assert not status.healthy
    assert "no partition meso-state was found" in status.warnings[0]
    assert "no partition meso-state" in view.brief(status)


def test_what_the_activator_could_not_do_is_said(machine: Machine) -> None:
    open_record(machine)
    steps = [{"name": "timezone", "ok": False, "detail": "Mars/Base is not in this image"}]
    put(machine.sockets / "activation.json", json.dumps({"rejected": [], "steps": steps}))
    assert any("timezone: Mars/Base" in warning for warning in collect(machine).warnings)


@pytest.mark.parametrize(("days", "said"), [(29, False), (31, True)])
def test_an_image_whose_packages_are_old_says_so(machine: Machine, days: int, said: bool) -> None:
    open_record(machine)
    put(machine.factory / "manifest.json", json.dumps({"created": time.time() - days * 86400}))
    found = [warning for warning in collect(machine).warnings if "locked 31 days ago" in warning]
    assert bool(found) == said


def test_an_empty_machine_still_has_a_status(machine: Machine) -> None:
    for path in (machine.release, machine.command_line, machine.boot_id):
        path.unlink()
    machine.records.rmdir()
    status = collect(machine)
    assert {service.state for service in status.services} == {"unreachable"}
    assert view.full(status)


def test_unexpected_ends_become_warnings(machine: Machine) -> None:
    open_record(machine)
    put(machine.boot_id, "boot-2")
    assert open_record(machine).previous.outcome is records.Outcome.POWER_LOSS
    assert any("without a shutdown" in warning for warning in collect(machine).warnings)


@pytest.mark.parametrize(
    ("answer", "warned"),
    [
        ({"waiting": 1}, "A call waits"),
        ({"waiting": 3}, "3 calls wait"),
        ({"waiting": 0}, ""),
        ({"waiting": "many"}, ""),
        ({}, ""),
    ],
)
def test_calls_that_wait_for_the_operator_are_shown(
    machine: Machine, serve: Serve, answer: dict[str, object], warned: str
) -> None:
    """The console, the login message and `meso status` all show the warnings."""
    serve("tool-executor", {**health("ok"), **answer}, 200)
    said = [text for text in collect(machine).warnings if "meso approve" in text]
    assert bool(said) == bool(warned)
    assert all(text.startswith(warned) for text in said)
