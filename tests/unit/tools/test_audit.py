"""The audit finds any alteration, also at its ends, and survives crashes and rotation."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meso_services.contract.tools_audit import record_hash
from meso_services.tool_executor.audit.chain import Head, segments, verify
from meso_services.tool_executor.audit.log import Audit


def filled(place: Path, count: int = 10, segment: int = 1 << 20, keep: int = 1 << 30) -> Head:
    audit = Audit(place, segment, keep)
    for number in range(count - 1):
        audit.record("call", call_id=f"{number:016x}", data={"text": f"ü {number}\n"})
    head = audit.head
    audit.close()
    return head


def lines_of(place: Path) -> list[bytes]:
    return segments(place)[0].read_bytes().splitlines(keepends=True)


Change = Callable[[list[bytes]], list[bytes]]


def altered(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4].replace(b'"kind"', b'"kind" ').replace(b" 3", b" 4"), *lines[5:]]


def rehashed(lines: list[bytes]) -> list[bytes]:
    record = json.loads(lines[4])
    record["data"] = {"text": "innocent"}
    record["hash"] = record_hash(record)
    return [*lines[:4], json.dumps(record).encode() + b"\n", *lines[5:]]


def made_anew(lines: list[bytes]) -> list[bytes]:
    """Each record from the fifth on hashed again, as who can write the files would do it."""
    records = [json.loads(line) for line in lines]
    records[4]["data"] = {"text": "innocent"}
    for before, record in itertools.pairwise(records):
        record["prev"] = before["hash"]
        record["hash"] = record_hash(record)
    return [json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records]


@pytest.mark.parametrize(
    ("change", "bad_from"),
    [
        (altered, 5),
        (rehashed, 6),
        (lambda lines: [*lines[:4], *lines[5:]], 5),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], 4),
        (lambda lines: lines[:-2], 9),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:4], b"nonsense\n", *lines[5:]], 5),
        (lambda lines: [*lines, lines[-1]], 11),
        (lambda _: [], 1),
        (lambda lines: [*lines[:4], lines[4].replace(b'"kind"', b' "kind"'), *lines[5:]], 5),
        (lambda lines: [*lines[:4], lines[4].replace(b"{", b'{"tool": "x", ', 1), *lines[5:]], 5),
        (lambda lines: [*lines, b'{"seq": 11'], 11),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], 10),
        (made_anew, 10),
    ],
)
def test_a_change_is_found_and_where_it_begins(
    tmp_path: Path, change: Change, bad_from: int
) -> None:
    filled(tmp_path)
    assert verify(tmp_path).ok
    path = segments(tmp_path)[0]
    path.write_bytes(b"".join(change(lines_of(tmp_path))))
    found = verify(tmp_path)
    assert (found.ok, found.bad_from) == (False, bad_from), found.problem


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(where=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, where: int, bit: int
) -> None:
    place = tmp_path_factory.mktemp("audit")
    filled(place)
    path = segments(place)[0]
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= 1 << bit
    path.write_bytes(data)
    found = verify(place)
    assert not found.ok


def test_a_chain_made_anew_as_a_whole_is_found_by_a_noted_record(tmp_path: Path) -> None:
    head = filled(tmp_path / "a")
    assert verify(tmp_path / "a", head).ok
    filled(tmp_path / "b", count=12)
    found = verify(tmp_path / "b", head)
    assert (found.ok, found.bad_from) == (False, 10)


def test_rotation_keeps_the_chain_and_says_what_it_dropped(tmp_path: Path) -> None:
    filled(tmp_path, count=200, segment=4096, keep=20_000)
    assert len(segments(tmp_path)) > 2
    found = verify(tmp_path)
    assert found.ok, found.problem
    assert found.first is not None and found.first > 1
    segments(tmp_path)[0].unlink()
    assert not verify(tmp_path).ok


def test_files_that_change_their_names_or_grow_are_found(tmp_path: Path) -> None:
    filled(tmp_path, count=60, segment=2048)
    first, second, *others = segments(tmp_path)
    assert others and verify(tmp_path).ok
    renamed = second.rename(second.with_name(f"{int(second.stem) + 1:016d}.jsonl"))
    assert "another's name" in verify(tmp_path).problem
    renamed.rename(second)
    assert verify(tmp_path).ok
    with first.open("ab") as file:
        file.write(b"{}")  # no line feed: not a line of the middle files either
    assert verify(tmp_path).bad_from == int(second.stem)


def test_the_head_file_may_not_be_altered(tmp_path: Path) -> None:
    head = filled(tmp_path)
    for other in (Head(head.seq + 1, head.hash), Head(head.seq, "0" * 64), None):
        (tmp_path / "head").write_bytes(other.line() if other else b"?")
        assert not verify(tmp_path).ok
    (tmp_path / "head").write_bytes(head.line())
    assert verify(tmp_path).ok


def test_a_record_that_comes_during_a_flush_is_brought_to_the_disk_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        audit = Audit(tmp_path, 1 << 20, 1 << 30)
        flushed = threading.Event()
        sync = audit._sync

        def slow(head: Head) -> None:
            if not flushed.is_set():
                loop.call_soon_threadsafe(audit.record, "call")
                time.sleep(0.05)
            flushed.set()
            sync(head)

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(audit, "_sync", slow)
        audit.record("call")
        for _ in range(500):
            await asyncio.sleep(0.02)
            if (tmp_path / "head").read_bytes() == Head(3, audit.head.hash).line():
                break
        assert (tmp_path / "head").read_bytes() == audit.head.line()
        audit.close()

    asyncio.run(work())


def test_a_torn_last_line_is_kept_aside_and_the_chain_goes_on(tmp_path: Path) -> None:
    filled(tmp_path)
    with segments(tmp_path)[0].open("ab") as file:
        file.write(b'{"seq": 11, "ki')
    Audit(tmp_path, 1 << 20, 1 << 30).close()
    found = verify(tmp_path)
    assert found.ok and found.records == 12
    kinds = [json.loads(line)["kind"] for line in lines_of(tmp_path)]
    assert kinds[-2:] == ["torn", "start"]
    (torn,) = tmp_path.glob("torn-*")
    assert torn.read_bytes() == b'{"seq": 11, "ki'


def test_an_end_that_was_cut_off_stays_known_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path)
    path = segments(tmp_path)[0]
    path.write_bytes(b"".join(lines_of(tmp_path)[:-3]))
    audit = Audit(tmp_path, 1 << 20, 1 << 30)
    assert "lost its records from 8 on" in audit.problem
    audit.close()
    found = verify(tmp_path)
    assert (found.ok, found.bad_from) == (False, 8)


def test_an_audit_without_any_call_yet_is_whole(tmp_path: Path) -> None:
    audit = Audit(tmp_path, 1 << 20, 1 << 30)  # no event loop runs when a service is built
    audit.record("policy")
    verdict = verify(tmp_path)
    assert (verdict.ok, verdict.records, verdict.head) == (True, 2, 2), verdict.problem
    audit.close()


def test_waiters_share_a_flush_and_the_head_is_noted(tmp_path: Path) -> None:
    async def work() -> None:
        audit = Audit(tmp_path, 1 << 20, 1 << 30)
        for number in range(50):
            audit.record("call", data={"n": number})
        await asyncio.gather(*(audit.flushed() for _ in range(50)))
        assert (tmp_path / "head").read_bytes() == audit.head.line()
        audit.close()

    asyncio.run(work())
    assert verify(tmp_path).ok


def test_nobody_goes_on_while_the_disk_still_works_on_the_record(tmp_path: Path) -> None:
    """Also not when somebody else's flush has begun with it and has not come to its end."""
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Audit):
        def _sync(self, head: Head) -> None:
            begun.set()
            assert go_on.wait(30)
            super()._sync(head)

    async def work() -> None:
        audit = Slow(tmp_path, 1 << 20, 1 << 30)
        audit.record("call")
        await asyncio.to_thread(begun.wait, 30)
        waiting = asyncio.create_task(audit.flushed())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        go_on.set()
        await asyncio.wait_for(waiting, 30)
        audit.close()

    asyncio.run(work())
