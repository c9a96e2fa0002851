"""The newest lines of a journal over many segments, with damage among them."""

from __future__ import annotations

from pathlib import Path

from meso_services.api_proxy.care.journal import Bounds, Journal
from meso_services.api_proxy.care.newest import newest


def test_the_newest_that_fit_come_in_their_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "audit", Bounds(segment=200, total=1 << 20, flush_seconds=0.001))
    for number in range(60):
        journal.append({"n": number, "client": "ab"[number % 2], "pad": "\ud83d" * 9})
        assert journal.flush()
    assert len(journal.segments()) > 5
    with journal.segments()[-1].open("ab") as file:
        file.write(b'[1]\n{"n": torn')
    assert [line["n"] for line in newest(journal, 3, lambda _: True)] == [57, 58, 59]
    odd = newest(journal, 25, lambda line: line["client"] == "b")
    assert [line["n"] for line in odd] == list(range(11, 60, 2))
    assert len(newest(journal, 1000, lambda _: True)) == 60
    journal.close()
