"""Whatever is done to a session: the graph stays a graph, and the index says what the file says."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from meso_services.contract.branches import MakeBranch, Merge, Pick, PopStash, PushStash, Rebase
from meso_services.contract.context import Compact
from meso_services.contract.session import CreateSession, NewEntry
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import entries
from meso_services.session_manager.merging import Merger
from meso_services.session_manager.model.compact import compact
from meso_services.session_manager.model.context import context
from meso_services.session_manager.model.summarise import Summariser
from meso_services.session_manager.neighbours.workspaces import Workspaces
from meso_services.session_manager.state import State
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tasks.store import TaskStore
from meso_services.session_manager.tree import branches, copies
from meso_services.session_manager.tree.walk import Walker, at_depth, at_message, sides

# What may be refused when a random request meets a random session.
REFUSED = {"branch.exists", "branch.current", "merge.same_branch", "stash.nothing",
           "stash.not_found", "stash.not_on_branch", "entry.not_copied", "entry.no_such_message",
           "entry.not_found"}  # fmt: skip
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)


class Life(RuleBasedStateMachine):
    """A session that is spoken to, branched, merged and reopened, with its file as the judge."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.root = Path(self.directory.name)
        self.calls = 0
        self.known: dict[str, str | None] = {}
        self.open()
        self.id = self.store.create(CreateSession(), None)[0].id

    def open(self) -> None:
        self.store = SessionStore(self.root / "sessions", self.root / "workspaces")
        tasks = TaskStore(self.root / "tasks", self.root / "torn", 1000)
        summariser = Summariser(self.root / "none.sock")
        self.merger = Merger(tasks, summariser, Workspaces(self.root))
        self.summariser = summariser

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()

    @property
    def session(self) -> Any:
        return self.store.get(self.id)

    def names(self) -> list[str]:
        return list(self.session.state.refs)

    def name(self, chosen: int) -> str:
        return self.names()[chosen % len(self.names())]

    def entry(self, chosen: int) -> str | None:
        found = self.session.index.after(self.session.n, -1, 10_000)
        return found[chosen % len(found)].id if found else None

    def tried(self, call: Any) -> Any:
        try:
            return call()
        except MesoError as problem:
            assert problem.code in REFUSED, problem
            return None

    def say(self, role: str, content: Any, **more: Any) -> None:
        data = {"message": {"role": role, "content": content, **more}}
        self.session.append(NewEntry(type="message", data=data), None)

    @rule(text=texts)
    def ask(self, text: str) -> None:
        self.say("user", [{"type": "text", "text": text}])

    @rule(text=texts, results=st.integers(0, 2), parallel=st.booleans())
    def answer(self, text: str, results: int, parallel: bool) -> None:
        """An answer with two tool calls, of which none, one or both have a result."""
        self.calls += 2
        made = [{"type": "toolCall", "id": f"c{self.calls + n}", "name": "t", "arguments": {}}
                for n in range(2)]  # fmt: skip
        if parallel:
            self.say("assistant", [{"type": "text", "text": text}, *made])
        else:
            for call in made:
                self.say("assistant", [call])
        for call in made[:results]:
            self.say("toolResult", text, toolCallId=call["id"], toolName="t")

    @rule(chosen=st.integers(0, 99), number=st.integers(0, 5), switch=st.booleans())
    def branch(self, chosen: int, number: int, switch: bool) -> None:
        wanted = MakeBranch(name=f"b{number}", at=self.entry(chosen), switch=switch)
        self.tried(lambda: branches.make(self.session, wanted, None))

    @rule(chosen=st.integers(0, 9))
    def switch(self, chosen: int) -> None:
        branches.switch(self.session, self.name(chosen), None)

    @rule(chosen=st.integers(0, 9), number=st.integers(0, 5))
    def rename(self, chosen: int, number: int) -> None:
        wanted = (self.name(chosen), f"b{number}")
        self.tried(lambda: branches.rename(self.session, *wanted, None))

    @rule(chosen=st.integers(0, 9))
    def drop(self, chosen: int) -> None:
        self.tried(lambda: branches.drop(self.session, self.name(chosen), None))

    @rule(
        one=st.integers(0, 9),
        other=st.integers(0, 9),
        strategy=st.sampled_from(["interleave", "append", "extract"]),
    )
    def merge(self, one: int, other: int, strategy: Any) -> None:
        wanted = Merge(source=self.name(one), target=self.name(other), strategy=strategy)
        before = sides(self.session, *(self.tip(name) for name in (wanted.target, wanted.source)))
        done = self.tried(lambda: self.merger.merge(self.session, wanted, None))
        if done is not None and done.changed:
            again = self.merger.merge(self.session, wanted, None)
            assert again.strategy == "none" and not again.changed
            assert before.base is None or done.base == before.base.id

    @rule(one=st.integers(0, 9), other=st.integers(0, 9))
    def rebase(self, one: int, other: int) -> None:
        wanted = Rebase(branch=self.name(one), onto=self.name(other))
        self.tried(lambda: copies.rebase(self.session, wanted, None))

    @precondition(lambda self: self.session.state.count)
    @rule(chosen=st.integers(0, 99), other=st.integers(0, 9))
    def pick(self, chosen: int, other: int) -> None:
        wanted = Pick(entries=(self.entry(chosen) or "",), branch=self.name(other))
        self.tried(lambda: copies.pick(self.session, wanted, None))

    @rule(number=st.integers(0, 8))
    def stash(self, number: int) -> None:
        wanted = PushStash(message=number)
        self.tried(lambda: copies.push_stash(self.session, wanted, None))

    @rule(drop=st.booleans())
    def pop(self, drop: bool) -> None:
        self.tried(lambda: copies.pop_stash(self.session, PopStash(drop=drop), None))

    @rule(keep=st.integers(1, 40))
    def compact(self, keep: int) -> None:
        wanted = Compact(keep=keep, strategy="keep-recent", force=True)
        compact(self.session, wanted, self.summariser, None)

    @rule(lose=st.booleans())
    def reopen(self, lose: bool) -> None:
        """Close and open again, with the index or without it."""
        before = self.session.describe()
        self.store.close()
        if lose:
            (self.root / "sessions/.index/index.sqlite").unlink()
        self.open()
        assert self.session.describe() == before

    def tip(self, name: str) -> Any:
        tip = self.session.state.refs[name]
        return None if tip is None else self.session.node(tip)

    @invariant()
    def no_entry_is_ever_changed_or_lost(self) -> None:
        raw = self.session.path.read_text()
        assert raw.startswith(getattr(self, "written", ""))
        self.written = raw

    @invariant()
    def the_index_says_what_the_file_says(self) -> None:
        state = State()
        for raw in self.session.path.read_bytes().splitlines()[1:]:
            line = entries.parse_entry(raw)
            assert line is not None
            assert line.parent is None or line.parent in self.known
            assert line.id not in self.known or self.known[line.id] == line.parent
            self.known[line.id] = line.parent
            state.add(line)
        now = self.session.state
        assert (state.refs, state.head, state.count) == (now.refs, now.head, now.count)
        assert (state.stash, state.dropped) == (now.stash, now.dropped)

    @invariant()
    def ids_are_made_from_contents(self) -> None:
        for node in self.session.index.after(self.session.n, -1, 10_000):
            line = self.session.line(node)
            assert entries.content_id(line, len(line.id)) == line.id

    @invariant()
    def every_way_ends_at_a_root_and_jumps_find_it(self) -> None:
        for name in self.names():
            tip = self.tip(name)
            way = list(Walker(self.session).back(tip))
            assert [node.depth for node in way] == list(range(len(way), 0, -1))
            for node in way[::3]:
                assert at_depth(self.session, tip, node.depth) == node
            if tip is not None and tip.messages:
                found = at_message(self.session, tip, tip.messages)
                spoken = next(node for node in way if node.kind.startswith("message:"))
                assert found == spoken

    @invariant()
    def a_base_is_the_newest_common_ancestor(self) -> None:
        names = self.names()[:3]
        reach = {name: self.reached(self.tip(name)) for name in names}
        for one in names:
            for other in names:
                apart = sides(self.session, self.tip(one), self.tip(other))
                common = reach[one] & reach[other]
                expected = max(common) if common else None
                assert (apart.base.seq if apart.base else None) == expected
                assert {node.seq for node in apart.ours} <= reach[one] - reach[other]

    def reached(self, tip: Any) -> set[int]:
        found: set[int] = set()
        waiting = [tip.seq] if tip is not None else []
        while waiting:
            seq = waiting.pop()
            if seq not in found:
                found.add(seq)
                walker = Walker(self.session)
                waiting += walker.parents(walker.node(seq))
        return found

    @invariant()
    def a_model_may_be_sent_every_branch(self) -> None:
        """At any budget: user first, roles in turn, calls followed by all their results."""
        for name in self.names()[:3]:
            for budget in (1, 30, 100_000):
                check_rules(list(context(self.session, name, budget).messages))


def check_rules(messages: list[dict[str, Any]]) -> None:
    roles = [message["role"] for message in messages]
    assert roles == [("user", "assistant")[place % 2] for place in range(len(roles))]
    open_calls: list[str] = []
    for message in messages:
        blocks = message["content"]
        assert blocks
        kinds = [block["type"] for block in blocks]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert sorted(results) == sorted(open_calls)
        assert kinds[: len(results)] == ["tool_result"] * len(results)
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert open_calls == []


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
