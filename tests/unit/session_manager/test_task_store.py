"""Whatever is asked of the task store, in whatever order: no circle, and the disk says the same."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from meso_services.contract.tasks import CreateTask, Task, TaskStatus, UpdateTask
from meso_services.runtime.errors import MesoError
from meso_services.session_manager.tasks.store import Filter, TaskStore

ALL = 1000
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
subjects = texts.filter(str.strip)
metadata = st.dictionaries(texts, st.none() | st.integers(-5, 5) | texts, max_size=3)


class Life(RuleBasedStateMachine):
    """Creates, changes and reopens; a dictionary beside it holds what must be true."""

    tasks = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.place = Path(self.directory.name)
        self.expected: dict[str, dict[str, Any]] = {}
        self.open()

    def open(self) -> None:
        self.store = TaskStore(self.place / "tasks", self.place / "torn", ALL)

    def teardown(self) -> None:
        self.directory.cleanup()

    def listed(self) -> list[Task]:
        return list(self.store.page(Filter(), None, ALL).tasks)

    @rule(
        target=tasks,
        subject=subjects,
        about=texts,
        extra=metadata,
        after=st.lists(tasks, max_size=3),
    )
    def create(self, subject: str, about: str, extra: dict[str, Any], after: list[str]) -> Any:
        wanted = CreateTask(
            subject=subject, description=about, metadata=extra, blocked_by=tuple(after)
        )
        made, before = self.store.create(wanted, None)
        assert not before
        assert made.id not in self.expected
        self.expected[made.id] = {"subject": subject, "description": about, "metadata": extra}
        return made.id

    @rule(
        task=tasks,
        status=st.sampled_from(TaskStatus),
        force=st.booleans(),
    )
    def move(self, task: str, status: TaskStatus, force: bool) -> None:
        before = self.store.get(task)
        known = {t.id: t.status for t in self.listed()}
        waits = [b for b in before.blocked_by if known[b] not in ("completed", "cancelled")]
        try:
            self.store.update(task, UpdateTask(status=status, force=force), None)
        except MesoError as problem:
            assert problem.code == "task.blocked"
            assert waits and not force and status in ("in_progress", "completed")
            assert self.store.get(task) == before
        else:
            assert force or not waits or status not in ("in_progress", "completed")

    @rule(task=tasks, after=st.lists(tasks, max_size=4))
    def wait_for(self, task: str, after: list[str]) -> None:
        before = self.store.get(task)
        try:
            self.store.update(task, UpdateTask(blocked_by=tuple(after)), None)
        except MesoError as problem:
            assert problem.code == "task.cycle"
            assert self.store.get(task) == before

    @rule(task=tasks, extra=metadata)
    def annotate(self, task: str, extra: dict[str, Any]) -> None:
        self.store.update(task, UpdateTask(metadata=extra), None)
        merged = {**self.expected[task]["metadata"], **extra}
        self.expected[task]["metadata"] = {k: v for k, v in merged.items() if v is not None}

    @rule()
    def reopen(self) -> None:
        before = self.listed()
        self.open()
        assert self.listed() == before

    @invariant()
    def everything_is_there_in_the_order_of_creation(self) -> None:
        found = self.listed()
        assert [t.id for t in found] == list(self.expected)
        for task in found:
            expected = self.expected[task.id]
            assert {name: getattr(task, name) for name in expected} == expected

    @invariant()
    def the_dependencies_have_an_order(self) -> None:
        waiting = {t.id: set(t.blocked_by) for t in self.listed()}
        while free := [task for task, after in waiting.items() if not after]:
            for task in free:
                del waiting[task]
            for after in waiting.values():
                after.difference_update(free)
        assert waiting == {}

    @invariant()
    def both_ends_of_a_dependency_agree(self) -> None:
        found = self.listed()
        one = {(t.id, b) for t in found for b in t.blocked_by}
        other = {(w, t.id) for t in found for w in t.blocks}
        assert one == other


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
