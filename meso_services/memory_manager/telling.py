"""What is told about memories: why one is as strong as it is, its history, figures of all."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Literal

from meso_services.contract import memory as wire
from meso_services.memory_manager.files import Entry, stamp_of
from meso_services.memory_manager.index import Index
from meso_services.memory_manager.life import Event, State
from meso_services.memory_manager.store import MemoryStore
from meso_services.runtime.errors import MesoError

DAY = 86400.0
STEPS = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)


def why(store: MemoryStore, name: str) -> wire.Why:
    """A memory's whole life, also of one that is gone. Raises `memory.not_found`."""
    store.tick()

    def look(index: Index) -> wire.Why:
        entry, events = store.entry(index, name), store.lives.of(index, name)
        if entry is None and not events:
            raise MesoError("memory.not_found", f"no memory has the id {name!r}", status=404,
                            hint="`meso memory list` names them")  # fmt: skip
        state, now = store.lives.state(index, name), time.time()
        begun = index.born(name) or (events[0].time if events else now)
        return wire.Why(
            id=name,
            path=entry.path if entry else next((e.path for e in reversed(events) if e.path), ""),
            state=_where(entry, events),
            strength=round(state.at(now, store.lives.parameters), 6),
            age_days=round(max(0.0, now - begun) / DAY, 4),
            half_life_days=_half_life(store, state) / DAY,
            uses=state.uses,
            last_sign_of_life=iso(state.last),
            contradicted_by=state.contradicted_by,
            contradicts=tuple(store.lives.contradicting(index, name)),
            events=tuple(_told(event) for event in events),
            explained=_explained(store, state, now),
        )

    return store.in_lock(look, fresh=True)


def history(store: MemoryStore, name: str) -> wire.History:
    """The commits that changed a memory, newest first. Raises `memory.not_found`."""
    paths = store.paths_of(name)
    store.committer.flush()
    with store.committer.exclusive():
        found = store.committer.repository.history(paths)
    return wire.History(
        id=name,
        commits=tuple(
            wire.Commit(commit=one.commit, author=one.author, time=iso(one.time),
                        message=one.message, paths=tuple(p for p in one.paths if p in paths))
            for one in found
        ),
        pending=store.committer.problem,
    )  # fmt: skip


def stats(store: MemoryStore) -> wire.Stats:
    """Figures of all memories."""
    store.tick()

    def look(index: Index) -> wire.Stats:
        now, strengths = time.time(), dict.fromkeys(map(str, STEPS), 0)
        against = 0
        for name in index.ids():
            state = store.lives.state(index, name)
            against += bool(state.contradicted_by)
            strength = state.at(now, store.lives.parameters)
            strengths[str(max(step for step in STEPS if step <= strength))] += 1
        rows = index.run("SELECT coalesce(source, ''), count(*) FROM memories"
                         " WHERE id IS NOT NULL AND NOT archived GROUP BY 1"
                         " ORDER BY 2 DESC, 1 LIMIT 100")  # fmt: skip
        tags = index.run("SELECT value, count(*) FROM memories, json_each(memories.tags)"
                         " WHERE NOT archived GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100")  # fmt: skip
        return wire.Stats(
            memories=index.count(),
            forgotten=len(index.ids(archived=True)),
            contradicted=against,
            by_source=dict(rows.fetchall()),
            by_tag=dict(tags.fetchall()),
            strength=strengths,
            events=index.run("SELECT count(*) FROM events").fetchone()[0],
            engine=store.finder.name,
            model=store.finder.vectors.model.title,
            without_vector=store.without_vector(index),
            commits_pending=store.committer.problem,
        )

    return store.in_lock(look, fresh=True)


def iso(moment: float) -> str:
    """Unix seconds as ISO 8601."""
    return stamp_of(datetime.fromtimestamp(moment, UTC))


def _told(event: Event) -> wire.LifeEvent:
    return wire.LifeEvent(time=iso(event.time), kind=event.kind, by=event.by, path=event.path,
                          other=event.other, about=event.about)  # fmt: skip


def _where(
    entry: Entry | None, events: list[Event]
) -> Literal["in use", "forgotten", "gone", "purged"]:
    if entry is not None:
        return "forgotten" if entry.archived else "in use"
    return "purged" if events and events[-1].kind == "purged" else "gone"


def _half_life(store: MemoryStore, state: State) -> float:
    parameters = store.lives.parameters
    return parameters.half_life / (parameters.contradicted if state.contradicted_by else 1.0)


def _explained(store: MemoryStore, state: State, now: float) -> str:
    days, half = max(0.0, now - state.time) / DAY, _half_life(store, state) / DAY
    text = (
        f"{state.strength:.3f} when it last changed, halving every {half:g} days, {days:.2f} days "
        f"ago: {state.at(now, store.lives.parameters):.3f}"
    )
    if state.contradicted_by:
        text += f"; it fades faster because {', '.join(state.contradicted_by)} contradicts it"
    return text
