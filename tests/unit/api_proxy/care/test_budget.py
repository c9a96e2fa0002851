"""Budgets and ledger: never over the bound, not in parallel, not after a crash, not by a clock."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.api_proxy.care.audit import Audit
from meso_services.api_proxy.care.house import House, Place
from meso_services.api_proxy.care.interface import (
    FINAL,
    Ask,
    Client,
    Outcome,
    RefusalError,
    Settlement,
    Target,
    Usage,
)
from meso_services.api_proxy.care.journal import Bounds, Journal
from meso_services.api_proxy.care.ledger import Ledger
from meso_services.api_proxy.settings import Settings

DEAR = Target("near", "dear")
PRICE = {
    "model": "dear",
    "input": 3.0,
    "output": 15.0,
    "cache_read": 0.3,
    "cache_write": 3.75,
    "cache_write_1h": 6.0,
    "reasoning": 20.0,
}
QUICK = Bounds(flush_seconds=0.01)
NOON = 1_795_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def house(place: Path, clock: Clock | None = None, **tables: Any) -> House:
    tables = {"prices": [PRICE], **tables}
    chosen = Settings.model_validate_json(json.dumps(tables))
    ledger = Ledger(place / "ledger", QUICK, clock or Clock())
    return House(chosen, ledger, Audit(Journal(place / "audit", "audit", QUICK)))


def close(care: House) -> None:
    care.ledger.close()
    care._audit.journal.close()


def ask(client: str = "a", **more: Any) -> Ask:
    facts: dict[str, Any] = {"max_output": 1000, "max_input": 1000, "body": b"{}", **more}
    return Ask("r", Client(client), "anthropic", "default", (DEAR,), **facts)


def admit(care: House, asked: Ask) -> Place:
    """Without a loop: there is room, so nothing waits."""
    step = care.admit(asked)
    try:
        step.send(None)
    except StopIteration as done:
        place: Place = done.value
        return place
    raise AssertionError("it waits")


def refusal(care: House, asked: Ask) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        admit(care, asked)
    return caught.value


def settle(place: Place, usage: Usage | None, outcome: Outcome = Outcome.OK) -> None:
    place.settle(Settlement(outcome, DEAR, usage, 200))


def test_every_class_of_tokens_costs(tmp_path: Path) -> None:
    care = house(tmp_path)
    settle(admit(care, ask()), Usage(1000, 2000, 3000, 4000, 5000))
    spent = care.ledger.totals.all
    assert spent.tokens == 15_000
    assert spent.pico == 10**6 * (3000 + 30_000 + 900 + 15_000 + 100_000)
    close(care)


def test_a_cache_that_keeps_for_an_hour_has_its_own_price(tmp_path: Path) -> None:
    """Counted among the writes once, and charged at what it costs."""
    care = house(tmp_path)
    settle(admit(care, ask()), Usage(cache_write=4000, cache_write_1h=1000))
    spent = care.ledger.totals.all
    assert (spent.tokens, spent.pico) == (4000, 10**6 * (3000 * 3750 + 1000 * 6000) // 1000)
    close(care)


def test_a_spent_budget_is_terminal(tmp_path: Path) -> None:
    """402 and the header that the official clients obey: they must not come again."""
    care = house(tmp_path, budgets={"day_tokens": 2000})
    settle(admit(care, ask()), Usage(cache_read=2000))
    refused = refusal(care, ask())
    assert (refused.code, refused.status, refused.terminal) == ("budget.spent", 402, True)
    assert refused.headers == FINAL
    close(care)


def test_a_request_that_could_cost_more_than_is_left_is_refused_before_it_runs(
    tmp_path: Path,
) -> None:
    care = house(tmp_path, budgets={"day_usd": 0.01})  # 1000 in and 1000 out: 0.01875
    refused = refusal(care, ask())
    assert (refused.code, refused.terminal) == ("budget.too_small", True)
    admit(care, ask(max_output=100))
    close(care)


def test_what_runs_is_held_and_comes_back(tmp_path: Path) -> None:
    care = house(tmp_path, budgets={"client_day_tokens": 3000})
    first = admit(care, ask())
    refused = refusal(care, ask())
    assert (refused.code, refused.terminal, refused.status) == ("budget.held", False, 429)
    assert int(refused.headers["retry-after"]) >= 1
    admit(care, ask("b"))  # another client has its own
    settle(first, Usage(10, 10))
    admit(care, ask())
    close(care)


def test_a_session_has_a_budget_over_its_days(tmp_path: Path) -> None:
    clock = Clock()
    care = house(tmp_path, clock, budgets={"session_tokens": 2500})
    settle(admit(care, ask(session="s")), Usage(1000, 1000))
    clock.now += 86_400 * 3
    assert refusal(care, ask(session="s")).code == "budget.too_small"
    admit(care, ask(session="t"))
    admit(care, ask())
    close(care)


def test_a_model_without_a_price_is_refused_under_a_budget_in_dollars(tmp_path: Path) -> None:
    unknown = ask()
    unknown = Ask(**{**{f: getattr(unknown, f) for f in unknown.__slots__},
                     "targets": (Target("near", "new"),)})  # fmt: skip
    strict = house(tmp_path / "a", budgets={"day_usd": 5.0})
    assert refusal(strict, unknown).code == "budget.no_price"
    free = house(tmp_path / "b", budgets={"day_usd": 5.0, "unpriced": "free"})
    admit(free, unknown)
    tokens = house(tmp_path / "c", budgets={"day_tokens": 10**6})
    admit(tokens, unknown)
    for care in (strict, free, tokens):
        close(care)


def test_an_upstream_that_says_nothing_is_charged_what_was_held(tmp_path: Path) -> None:
    care = house(tmp_path)
    settle(admit(care, ask()), None, Outcome.CUT)
    assert care.ledger.totals.all.tokens == 2000
    admit(care, ask()).settle(Settlement(Outcome.UNREACHABLE))
    assert care.ledger.totals.all.tokens == 2000
    assert care.ledger.held.all.tokens == 0
    close(care)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["ask", "settle", "crash"]),
        st.integers(0, 400),
        st.integers(0, 300),
    ),
    max_size=60,
)


@settings(max_examples=50)
@given(EVENTS)
def test_no_order_of_events_spends_more_than_the_budget(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, str, int, int]]
) -> None:
    """Requests side by side, that cost anything up to what they announced, and restarts between:
    what was spent and is held never exceeds any budget."""
    place = tmp_path_factory.mktemp("care")
    tables: dict[str, Any] = {
        "budgets": {"day_tokens": 2500, "client_day_tokens": 1200},
        "limits": {"requests_per_minute": 0},
    }
    care = house(place, **tables)
    running: list[tuple[Place, int, int]] = []
    really = 0
    for client, event, given_in, given_out in events:
        if event == "ask":
            try:
                place_ = admit(care, ask(client, max_input=given_in, max_output=given_out))
                running.append((place_, given_in, given_out))
            except RefusalError:
                pass
        elif event == "settle" and running:
            place_, most_in, most_out = running.pop()
            used = Usage(min(given_in, most_in), min(given_out, most_out))
            settle(place_, used)
            really += used.total
        elif event == "crash":
            really += sum(most_in + most_out for _, most_in, most_out in running)
            running = []
            close(care)
            care = house(place, **tables)
        totals, held = care.ledger.totals, care.ledger.held
        assert totals.all.tokens == really
        assert totals.all.tokens + held.all.tokens <= 2500
        for name, spent in totals.clients.items():
            assert spent.tokens + held.clients.get(name, type(spent)()).tokens <= 1200
    close(care)


def test_the_day_begins_at_midnight_of_the_appliances_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    clock = Clock()
    care = house(tmp_path, clock, budgets={"day_tokens": 2500})
    before = care.ledger.today()
    settle(admit(care, ask()), Usage(1000, 1000))
    local = time.localtime(clock.now)
    until_midnight = 86_400 - (local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec)
    clock.now += until_midnight - 1
    assert refusal(care, ask()).code == "budget.too_small"
    clock.now += 1
    assert care.ledger.today() > before
    admit(care, ask())
    close(care)


def test_a_clock_set_back_opens_no_second_budget(tmp_path: Path) -> None:
    clock = Clock()
    care = house(tmp_path, clock, budgets={"day_tokens": 2500})
    settle(admit(care, ask()), Usage(1000, 1000))
    clock.now -= 86_400
    assert refusal(care, ask()).code == "budget.too_small"
    clock.now += 86_400  # and forth again: this is a new day, as far as anybody can tell
    close(care)
    again = house(tmp_path, clock, budgets={"day_tokens": 2500})
    assert refusal(again, ask()).code == "budget.too_small"
    close(again)


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    care = house(tmp_path)
    settle(admit(care, ask(session="s")), Usage(1, 2, 3, 4, 5))
    close(care)
    again = house(tmp_path)
    (row,) = again.ledger.totals.rows.values()
    assert (row.client, row.upstream, row.model, row.requests) == ("a", "near", "dear", 1)
    assert row.usage == [1, 2, 3, 4, 5]
    assert again.ledger.totals.session("s").tokens == 15
    close(again)


def test_many_segments_are_one_ledger(tmp_path: Path) -> None:
    """Old segments leave; what they held stays in the sums of the newest."""
    bounds = Bounds(segment=2000, total=8000, flush_seconds=0.001)
    ledger = Ledger(tmp_path, bounds)
    care = House(
        Settings.model_validate_json(json.dumps({"limits": {"requests_per_minute": 0}})),
        ledger,
        Audit(Journal(tmp_path / "audit", "audit", QUICK)),
    )
    for _ in range(120):
        settle(admit(care, ask(session="s")), Usage(1))
        care.ledger.journal.flush()
    close(care)
    files = list(tmp_path.glob("ledger-*.jsonl"))
    assert sum(file.stat().st_size for file in files) <= 8000 + 2000
    again = Ledger(tmp_path, bounds)
    assert again.totals.all.tokens == again.totals.session("s").tokens == 120
    again.close()


def test_a_torn_end_is_cut_and_the_rest_counts(tmp_path: Path) -> None:
    care = house(tmp_path)
    settle(admit(care, ask()), Usage(7))
    close(care)
    (file,) = (tmp_path / "ledger").glob("ledger-*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"done":"x","pico":')
    again = house(tmp_path)
    settle(admit(again, ask()), Usage(7))
    close(again)
    last = house(tmp_path)
    assert last.ledger.totals.all.tokens == 14
    assert last.ledger.journal.damaged == 0
    close(last)


def test_a_disk_that_takes_nothing_stops_what_has_a_budget(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110 (a device)
        pytest.skip("needs /dev/full")
    care = house(tmp_path, budgets={"day_tokens": 10**9})
    free = house(tmp_path / "free")
    for each in (care, free):
        current = each.ledger.journal._current
        current.unlink()
        current.symlink_to("/dev/full")
        settle(admit(each, ask()), Usage(1))
        each.ledger.journal.flush(0.3)
    refused = refusal(care, ask())
    assert (refused.code, refused.terminal) == ("ledger.unwritable", False)
    admit(free, ask())
