"""A unit that failed is on record, and the status says so."""

from __future__ import annotations

from dataclasses import replace

from meso_cli.status.collect import collect
from meso_services.boot import notices
from meso_services.boot.machine import Machine
from meso_services.boot.notices import Notice

CRASH = Notice("2026-11-21T10:00:00+00:00", "boot-1", "meso-mind-runner.service", "watchdog", True)


def test_the_newest_hundred_are_kept(machine: Machine) -> None:
    for number in range(notices.KEPT + 5):
        notices.add(machine.records, replace(CRASH, result=str(number)))
    kept = notices.load(machine.records)
    assert [kept[0].result, kept[-1].result, len(kept)] == ["5", "104", notices.KEPT]


def test_a_line_that_cannot_be_read_is_skipped(machine: Machine) -> None:
    notices.add(machine.records, CRASH)
    with (machine.records / notices.FILE).open("a") as file:
        file.write('{"time": "cut off\n[]\n')
    assert notices.load(machine.records) == [CRASH]
    notices.add(machine.records, CRASH)
    assert len(notices.load(machine.records)) == 2


def test_the_status_tells_of_this_boot_s_failures_only(machine: Machine) -> None:
    for boot_id, result in (("boot-0", "timeout"), ("boot-1", "signal"), ("boot-1", "watchdog")):
        notices.add(machine.records, replace(CRASH, boot_id=boot_id, result=result))
    status = collect(machine)
    assert [each.result for each in status.failures] == ["signal", "watchdog"]
    (said,) = [each for each in status.warnings if "mind-runner" in each]
    assert "failed 2 times" in said
    assert "(watchdog)" in said
