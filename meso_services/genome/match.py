"""Which operons a situation calls, and why. The same situation always gives the same answer."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from meso_services.genome.budget import Choice, Kind, Match, Reason, select
from meso_services.genome.globs import compile_glob
from meso_services.genome.models import Operon, Triggers
from meso_services.genome.pattern import compile_pattern
from meso_services.genome.patterns import Patterns
from meso_services.genome.situation import Situation, of_case, paths
from meso_services.genome.times import parse_time
from meso_services.genome.words import WordIndex

__all__ = ["Choice", "Match", "Matcher", "Reason", "failed_tests"]
_Found = dict[str, list[Reason]]
_UNLIMITED = 1 << 30


class Matcher:
    """All operons' triggers, compiled once. May be used from several threads."""

    def __init__(self, operons: Sequence[Operon]) -> None:
        self._known = {operon.head.name: operon for operon in operons}
        self._lock = threading.Lock()
        self._words = self._all(lambda t: t.words)
        self._word_index = WordIndex([word for _, word in self._words])
        self._tasks = self._all(lambda t: t.tasks)
        self._task_index = WordIndex([word for _, word in self._tasks])
        self._patterns = self._all(lambda t: t.patterns)
        self._pattern_set = Patterns([compile_pattern(text) for _, text in self._patterns])
        self._files = self._all(lambda t: t.files)
        self._file_set = Patterns([compile_glob(text) for _, text in self._files])
        self._tools = self._all(lambda t: t.tools)
        self._times = [(o, text, parse_time(text)) for o, text in self._all(lambda t: t.times)]

    def match(self, situation: Situation | str, budget: int = _UNLIMITED) -> Match:
        """Match a situation or a bare text. `budget` is in tokens, for all operons together."""
        found = Situation(situation) if isinstance(situation, str) else situation
        # The automata build their states as texts ask for them.
        with self._lock:
            reasons = self._reasons(found)
        choices = [
            Choice(self._known[name], tuple(sorted(why, key=_place)))
            for name, why in reasons.items()
        ]
        return select(choices, self._known, budget)

    def called(self, situation: Situation) -> frozenset[str]:
        """Names of the operons that the situation itself calls, without what they require."""
        with self._lock:
            return frozenset(self._reasons(situation))

    def warm(self) -> None:
        """Build the automata's states for the operons' own tests, so that no message waits."""
        for operon in self._known.values():
            for case in (*operon.tests.loads, *operon.tests.does_not_load):
                self.called(of_case(case))

    def similar(self) -> tuple[Operon, ...]:
        """The operons that declare texts of similar meaning."""
        return tuple(o for o in self._known.values() if o.head.triggers.similar)

    def _all(self, of: Callable[[Triggers], Iterable[str]]) -> list[tuple[str, str]]:
        return [(n, text) for n, o in self._known.items() for text in of(o.head.triggers)]

    def _reasons(self, situation: Situation) -> _Found:
        found: _Found = defaultdict(list)
        self._in_text(situation.text, found)
        self._in_files(situation, found)
        self._in_tasks(situation.tasks, found)
        self._in_tools(situation.tools, found)
        if situation.now is not None:
            shown = situation.now.strftime("%a %H:%M")
            for name, text, window in self._times:
                if window.holds(situation.now):
                    found[name].append(Reason("time", text, shown, None))
        self._in_meaning(situation, found)
        return found

    def _in_text(self, text: str, found: _Found) -> None:
        for number, hit in self._word_index.search(text).items():
            name, word = self._words[number]
            found[name].append(Reason("word", word, hit.found, hit.offset))
        if not self._patterns:
            return
        for number, end in self._pattern_set.search(text).items():
            name, pattern = self._patterns[number]
            piece = self._pattern_set.found(text, number, end)
            found[name].append(Reason("pattern", pattern, piece, end - len(piece)))

    def _in_files(self, situation: Situation, found: _Found) -> None:
        if not self._files:
            return
        seen: set[int] = set()
        for path, offset in paths(situation):
            new = self._file_set.search(path).keys() - seen
            seen |= new
            for number in new:
                name, glob = self._files[number]
                found[name].append(Reason("file", glob, path, offset))

    def _in_tasks(self, tasks: Sequence[str], found: _Found) -> None:
        seen: set[int] = set()
        for task in tasks if self._tasks else ():
            for number, hit in self._task_index.search(task).items():
                if number not in seen:
                    seen.add(number)
                    name, word = self._tasks[number]
                    found[name].append(Reason("task", word, hit.found, None))

    def _in_tools(self, tools: Sequence[str], found: _Found) -> None:
        for name, trigger in self._tools if tools else ():
            if used := next((tool for tool in tools if _fits(tool, trigger)), None):
                found[name].append(Reason("tool", trigger, used, None))

    def _in_meaning(self, situation: Situation, found: _Found) -> None:
        for name, nearest in situation.similar.items():
            declared = self._known[name].head.triggers.similar if name in self._known else None
            if declared and nearest.cosine >= declared.at_least:
                seen = f"{nearest.cosine:.3f}, at least {declared.at_least:g}"
                found[name].append(Reason("similar", nearest.text, seen, None))


_KINDS: tuple[Kind, ...] = ("file", "pattern", "similar", "task", "time", "tool", "word")


def _place(reason: Reason) -> tuple[bool, int, int, str]:
    return reason.offset is None, reason.offset or 0, _KINDS.index(reason.kind), reason.trigger


def _fits(tool: str, trigger: str) -> bool:
    return tool.startswith(trigger[:-1]) if trigger.endswith("*") else tool == trigger


def failed_tests(operon: Operon, matcher: Matcher) -> list[str]:
    """Run an operon's own tests against all operons' triggers. Empty when all pass."""
    failures = []
    for wanted, cases in ((True, operon.tests.loads), (False, operon.tests.does_not_load)):
        for case in cases:
            if not isinstance(case, str) and case.similar:
                continue
            if (operon.head.name in matcher.called(of_case(case))) != wanted:
                verb = "must load" if wanted else "must not load"
                shown = case if isinstance(case, str) else case.model_dump(exclude_defaults=True)
                failures.append(f"{operon.head.name}: {verb} on {shown!r}")
    return failures
