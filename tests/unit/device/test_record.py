"""The next boot tells how the last one ended, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from meso_services.boot import records
from meso_services.boot.machine import Machine
from meso_services.boot.record import close_record, open_record, settle_record
from meso_services.boot.records import Outcome

from .conftest import put


def boot(machine: Machine, name: str) -> records.Record:
    """The early part of a boot."""
    put(machine.boot_id, name)
    return open_record(machine)


def test_the_first_boot_has_no_last_one(machine: Machine) -> None:
    record = boot(machine, "one")
    assert (record.number, record.version, record.roothash) == (1, "7", "abcd")
    assert record.previous.outcome is Outcome.FIRST


def test_a_shutdown_in_order_is_clean(machine: Machine) -> None:
    boot(machine, "one")
    close_record(machine)
    record = boot(machine, "two")
    assert record.number == 2
    assert record.previous.outcome is Outcome.CLEAN


def test_a_record_that_was_never_closed_means_power_loss(machine: Machine) -> None:
    boot(machine, "one")
    assert boot(machine, "two").previous.outcome is Outcome.POWER_LOSS


def test_opening_twice_in_one_boot_changes_nothing(machine: Machine) -> None:
    first = boot(machine, "one")
    assert open_record(machine) == first


def test_a_watchdog_reset_is_told_from_a_power_loss(machine: Machine) -> None:
    boot(machine, "one")
    put(machine.watchdogs / "watchdog0/bootstatus", "32\n")
    assert boot(machine, "two").previous.outcome is Outcome.WATCHDOG


def test_a_panic_is_reported_once_with_its_message(machine: Machine) -> None:
    boot(machine, "one")
    words = "<0>[   12.3] Kernel panic - not syncing: Attempted to kill init!\n"
    put(machine.panics / "1763690000/001/dmesg.txt", words)
    end = boot(machine, "two").previous
    assert end.outcome is Outcome.PANIC
    assert "Attempted to kill init" in end.reason
    assert boot(machine, "three").previous.outcome is Outcome.POWER_LOSS
    put(machine.panics / "1763700000/001/dmesg.txt", words)
    assert boot(machine, "four").previous.outcome is Outcome.PANIC


def test_a_restart_for_bad_health_keeps_its_reason(machine: Machine) -> None:
    record = boot(machine, "one")
    records.save(machine.records, replace(record, intent="mind-runner is failed"))
    close_record(machine)
    end = boot(machine, "two").previous
    assert (end.outcome, end.reason) == (Outcome.HEALTH, "mind-runner is failed")


def test_a_fallback_names_the_slot_that_used_up_its_tries(machine: Machine) -> None:
    boot(machine, "one")
    close_record(machine)
    put(machine.entries / "meso_7.efi", "")
    put(machine.entries / "meso_8+0-3.efi", "")
    end = boot(machine, "two").previous
    assert end.outcome is Outcome.FALLBACK
    assert "meso_8" in end.reason
    close_record(machine)
    assert boot(machine, "three").previous.outcome is Outcome.CLEAN


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 99}', '{"schema": 1}'])
def test_a_damaged_record_does_not_stop_a_boot(machine: Machine, content: str) -> None:
    boot(machine, "one")
    (machine.records / "current.json").write_text(content)
    assert boot(machine, "two").previous.outcome is Outcome.FIRST
    assert boot(machine, "three").previous.outcome is Outcome.POWER_LOSS


def test_the_slot_counts_as_confirmed_without_a_counter(machine: Machine) -> None:
    boot(machine, "one")
    put(machine.loader_variable("LoaderBootCountPath"), "")
    put(machine.entries / "meso_7+2-1.efi", "")
    put(machine.entries / "meso_6.efi", "")
    on_trial = settle_record(machine)
    assert on_trial is not None
    assert on_trial.slots == records.Slots(confirmed=False, others=("meso_6",))
    (machine.entries / "meso_7+2-1.efi").rename(machine.entries / "meso_7.efi")
    blessed = settle_record(machine)
    assert blessed is not None
    assert blessed.slots == records.Slots(confirmed=True, others=("meso_6",))


def test_the_history_keeps_the_last_200_boots(machine: Machine) -> None:
    for number in range(205):
        boot(machine, f"boot-{number}")
    lines = (machine.records / "history.jsonl").read_text().splitlines()
    assert len(lines) == 200
    assert '"boot-203"' in lines[-1]
    assert '"power-loss"' in lines[-1]


def test_a_record_survives_being_written_and_read(machine: Machine, tmp_path: Path) -> None:
    put(machine.entries / "meso_6+0-3.efi", "")
    record = replace(
        boot(machine, "one"), health=records.Health(False, 3.5, "why"), intent="because"
    )
    records.save(tmp_path, record)
    assert records.load(tmp_path) == record
