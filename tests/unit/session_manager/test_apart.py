"""A session that lives in two places: whatever happens to either, nobody loses a word."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from meso_services.contract.branches import At, MakeBranch, Merge, Reset, SetVariables
from meso_services.contract.client import message
from meso_services.contract.session import CreateSession
from meso_services.contract.sync import Received
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import packed
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.merging import Merger
from meso_services.session_manager.model.summarise import Summariser
from meso_services.session_manager.neighbours.workspaces import Workspaces
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.sync import parcel
from meso_services.session_manager.sync import receive as receiving
from meso_services.session_manager.tasks.store import TaskStore
from meso_services.session_manager.tree import branches
from meso_services.session_manager.tree.walk import Walker

STEPS = 30


class Place:
    """A store, and what may happen in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sent = 0
        self.open()

    def open(self) -> None:
        self.store = SessionStore(self.root / "sessions", self.root / "workspaces")
        tasks = TaskStore(self.root / "tasks", self.root / "torn", 1000)
        self.merger = Merger(tasks, Summariser(self.root / "none"), Workspaces(self.root))

    def session(self, ident: str) -> SessionFile:
        return self.store.get(ident)

    def reopened(self) -> None:
        self.store.close()
        (self.root / "sessions/.index/index.sqlite").unlink()
        self.open()

    def send(self, ident: str) -> Path:
        self.sent += 1
        path = self.root / f"{self.sent}.parcel"
        parcel.write(self.session(ident), path)
        return path

    def take(self, path: Path, *, dry_run: bool = False) -> Received:
        return receiving.receive(self.store, (), parcel.opened(path), dry_run=dry_run)

    def ids(self, ident: str) -> set[str]:
        session = self.session(ident)
        session.check_current()
        return {node.id for node in session.index.after(session.n, -1, 100_000)}

    def reached(self, ident: str) -> set[str]:
        """Every entry that some branch leads to, over all parents."""
        session = self.session(ident)
        walker = Walker(session)
        rest = [session.node(tip).seq for tip in session.state.refs.values() if tip]
        seen = set(rest)
        while rest:
            for seq in walker.parents(walker.node(rest.pop())):
                if seq not in seen:
                    seen.add(seq)
                    rest.append(seq)
        return {walker.node(seq).id for seq in seen}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Place, Place, str]:
    one, other = (Place(tmp_path / name) for name in ("one", "other"))
    ident = one.store.create(CreateSession(), None)[0].id
    one.session(ident).append(message("user", "begin"), None)
    other.take(one.send(ident))
    return one, other, ident


@pytest.mark.parametrize("seed", range(6))
def test_lives_apart_come_together(pair: tuple[Place, Place, str], seed: int) -> None:
    one, other, ident = pair
    dice = random.Random(seed)  # noqa: S311 (a sequence to repeat, no secret)
    said: set[str] = set()
    for step in range(STEPS):
        here, there = dice.sample([one, other], 2)
        session = here.session(ident)
        names = sorted(session.state.refs)
        match dice.randrange(9):
            case 0 | 1 | 2:
                new = message("user", f"{step}").model_copy(update={"branch": dice.choice(names)})
                said.add(session.append(new, None)[0].id)
            case 3:
                wanted = MakeBranch(name=f"b{step}", switch=dice.random() < 0.5, workspace=False)
                branches.make(session, wanted, None)
            case 4 if len(names) > 1:
                source, target = dice.sample(names, 2)
                merge = Merge(source=source, target=target, workspace=False)
                here.merger.merge(session, merge, None)
            case 5:
                branches.switch(session, dice.choice(names), None)
            case 6 if len(names) > 1 and (gone := dice.choice(names)) != session.state.head:
                branches.rename(session, gone, f"r{step}", None)
            case 7:
                here.reopened()
            case _:
                bring(here, there, ident)
    for _ in range(2):
        bring(one, other, ident)
        done = bring(other, one, ident)
    assert (done.entries, done.branches) == (0, ())
    assert one.ids(ident) == other.ids(ident)
    for place in (one, other):
        assert said <= place.reached(ident)
        before = place.session(ident).state
        place.reopened()
        after = place.session(ident).state
        assert (after.refs, after.head, after.name) == (before.refs, before.head, before.name)


def bring(here: Place, there: Place, ident: str) -> Received:
    """What a dry run told is what happens; nothing moves back, and work stays where it was."""
    file = here.send(ident)
    before = there.session(ident).state
    head, refs, known = before.head, dict(before.refs), there.ids(ident)
    told = there.take(file, dry_run=True)
    assert there.ids(ident) == known
    done = there.take(file)
    assert done == told.model_copy(update={"dry_run": False})
    after = there.session(ident).state
    assert after.head == head
    assert refs.keys() <= after.refs.keys()
    assert here.ids(ident) <= there.ids(ident)
    assert {tip for tip in refs.values() if tip} <= there.reached(ident)
    again = there.take(file)
    assert (again.entries, again.branches) == (0, ())
    return done


def test_half_of_it_after_a_power_cut_is_finished_the_next_time(
    pair: tuple[Place, Place, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, ident = pair
    for number in range(20):
        one.session(ident).append(message("user", f"{number}"), None)
    file = one.send(ident)
    monkeypatch.setattr(receiving, "MOST_LINES", 3)
    session, calls = other.session(ident), 0
    whole = SessionFile.change

    def cut(self: SessionFile, *given: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise OSError("the power is gone")
        return whole(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(SessionFile, "change", cut)
    before = dict(session.state.refs)
    with pytest.raises(OSError, match="power"):
        other.take(file)
    other.reopened()
    assert other.session(ident).state.refs == before
    done = other.take(file)
    assert (done.entries, [branch.how for branch in done.branches]) == (11, ["forwarded"])
    assert other.session(ident).state.refs == one.session(ident).state.refs


def test_a_branch_that_was_moved_back_here_is_not_moved_on(pair: tuple[Place, Place, str]) -> None:
    one, other, ident = pair
    session = other.session(ident)
    later, _ = one.session(ident).append(message("user", "later"), None)
    other.take(one.send(ident))
    branches.reset(session, "main", Reset(**At(message=1).model_dump()), None)
    back = session.state.refs["main"]
    assert other.take(one.send(ident)).branches == ()
    assert other.session(ident).state.refs["main"] == back
    branches.make(session, MakeBranch(name="was", at=later.id, workspace=False), None)
    assert other.take(one.send(ident)).branches == ()


def test_a_dropped_branch_stays_dropped_until_there_is_news(
    pair: tuple[Place, Place, str],
) -> None:
    one, other, ident = pair
    branches.make(one.session(ident), MakeBranch(name="try", workspace=False), None)
    other.take(one.send(ident))
    branches.drop(other.session(ident), "try", None)
    assert other.take(one.send(ident)).branches == ()
    new = message("user", "more").model_copy(update={"branch": "try"})
    one.session(ident).append(new, None)
    (found,) = other.take(one.send(ident)).branches
    assert (found.name, found.how) == ("try", "new")


def test_variables_and_keys_stay_where_they_are(pair: tuple[Place, Place, str]) -> None:
    one, other, ident = pair

    branches.set_variables(one.session(ident), SetVariables(set={"token": "mine"}), "key-1")
    file = one.send(ident)
    other.take(file)
    assert other.session(ident).state.variables == {}
    for place in (other.root / "sessions/main").iterdir():
        assert "mine" not in place.read_text()
        assert "key-1" not in place.read_text()
    with pytest.raises(MesoError) as caught:
        receiving.receive(other.store, (ident,), parcel.opened(file), dry_run=False)
    assert caught.value.code == "session.deleted"


@pytest.mark.parametrize(
    "change",
    [
        {"refs": {"../x": None}}, {"refs": {"main": ["x"]}}, {"refs": {"main": "not-there"}},
        {"refs": 1}, {"entries": "many"}, {"entries": 0}, {"header": {"id": "other"}},
        {"session": "../../x"}, {"archived": "maybe"}, {"format": 2}, {"kind": "meso-checkpoint"},
        {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_file_of_a_foreign_hand_is_refused(
    pair: tuple[Place, Place, str], tmp_path: Path, change: dict[str, Any]
) -> None:
    one, other, ident = pair
    one.session(ident).append(message("user", "more"), None)
    first, *rest = packed.read(one.send(ident), parcel.refuse)
    packed.write(tmp_path / "bad", [{**first, **change}, *rest])
    before = other.ids(ident)
    with pytest.raises(MesoError) as caught:
        other.take(tmp_path / "bad")
    assert (caught.value.code, caught.value.status) == ("transfer.damaged", 409)
    assert other.ids(ident) == before


def test_an_entry_twice_in_a_file_is_taken_once(
    pair: tuple[Place, Place, str], tmp_path: Path
) -> None:
    one, other, ident = pair
    one.session(ident).append(message("user", "more"), None)
    first, *rest = packed.read(one.send(ident), parcel.refuse)
    packed.write(tmp_path / "twice", [{**first, "entries": 9}, *rest, *rest])
    assert other.take(tmp_path / "twice").entries == 1
    assert other.ids(ident) == one.ids(ident)
