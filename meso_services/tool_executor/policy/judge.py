"""Decides about a call. Pure: the same call under the same policy gets the same answer.

The order, which docs/policy.md states for operators:

1. A call is taken apart into what it would do: the tool; each command of a shell line; each
   path; each host; the shapes of the line.
2. About each of these, a rule that denies wins; then the most specific rule; between equally
   specific ones the one that asks. What no rule is about follows the tool. A host that no rule
   is about is denied, and a line that cannot be understood is for `policy.unknown`.
3. The call gets the strictest of these answers: deny before ask before allow.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from meso_services.contract.tools_policy import ActionKind, Decision, JudgedAction, Verdict
from meso_services.tool_executor.policy import patterns
from meso_services.tool_executor.policy.commands import Found, Run, find
from meso_services.tool_executor.policy.destructive import destroys, may_destroy
from meso_services.tool_executor.policy.settings import SHIPPED, Policy, Rule
from meso_services.tool_executor.terminal import safe

_STRICT: dict[Verdict, int] = {"allow": 0, "ask": 1, "deny": 2}
# A decision travels with each reply, and hundreds of replies are kept.
MOST_ACTIONS = 50


@dataclass(frozen=True)
class Question:
    """A call as the policy sees it. `paths` are the files of a file tool."""

    tool: str
    session: str
    branch: str
    source: str = "builtin"
    command: str | None = None
    paths: Sequence[str] = ()
    hosts: Sequence[str] = ()


@dataclass(frozen=True)
class _Action:
    kind: ActionKind
    text: str
    run: Run | None = None


@dataclass(frozen=True)
class Judgement:
    """The decision, and what the parser saw of the command line."""

    decision: Decision
    found: Found = field(default_factory=Found)
    # What is asked about, exactly: the same again is the same question.
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Judge:
    """The policy in force."""

    policy: Policy

    @property
    def rules(self) -> list[Rule]:
        """The operator's rules, then those shipped ones that count."""
        shipped = [rule for rule in SHIPPED if rule.name not in self.policy.without]
        return [*self.policy.rules, *shipped]

    @property
    def looks_at_paths(self) -> bool:
        """Whether a rule is about paths, so that links have to be resolved first."""
        return any(rule.paths for rule in self.policy.rules)

    def judge(self, asked: Question) -> Judgement:
        """Decide."""
        found = find(asked.command) if asked.command is not None else Found()
        rules = [rule for rule in self.rules if _concerns(rule, asked)]
        tool = self._about(rules, _Action("tool", asked.tool)) or _action(
            _Action("tool", asked.tool), self.policy.default, "default", "no rule names this tool"
        )
        details = list(self._details(rules, asked, found, tool))
        judged = [tool, *details] if tool.verdict == "deny" or not details else details
        worst = max(judged, key=lambda one: _STRICT[one.verdict])
        actions = (tool, *details)
        decision = Decision(
            verdict=worst.verdict,
            rule=worst.rule,
            reason=worst.reason,
            actions=_telling(actions, worst.verdict),
            omitted_actions=max(0, len(actions) - MOST_ACTIONS),
        )
        return Judgement(decision, found, _keys(asked, actions))

    def keeps(self, asked: Question, found: Found) -> Callable[[str], bool] | None:
        """Which paths below the workspace a call has nothing to do with, once it may run: those
        that rules deny, and those that they ask about and that it does not name. None: none.
        """
        rules = [rule for rule in self.rules if rule.paths and _concerns(rule, asked)]
        if all(rule.decision == "allow" for rule in rules):
            return None
        named = frozenset(_mentioned(found))

        def kept(path: str) -> bool:
            judged = self._about(rules, _Action("path", path))
            if judged is None or judged.verdict == "allow":
                return False
            return judged.verdict == "deny" or not _named(path, named)

        return kept

    def _details(
        self, rules: list[Rule], asked: Question, found: Found, tool: JudgedAction
    ) -> Iterator[JudgedAction]:
        for action in _actions(asked, found):
            yield self._about(rules, action) or _action(
                action, tool.verdict, tool.rule, tool.reason
            )
        about_paths = [rule for rule in rules if rule.paths]
        for path in _mentioned(found) if about_paths else ():
            # Only where a rule is about it: a word need not be a path at all.
            if judged := self._about(about_paths, _Action("path", path)):
                yield judged
        for host in asked.hosts:
            action = _Action("host", host)
            yield self._about(rules, action) or _action(
                action, "deny", "default", "no rule grants this host"
            )
        yield from self._shapes(rules, found)

    def _shapes(self, rules: list[Rule], found: Found) -> Iterator[JudgedAction]:
        if found.excess:
            reason = f"{found.excess}; put them into a file, and run that"
            yield _action(_Action("shape", "too-much"), "deny", "too-much", reason)
        why = destroys(found)
        if why and (judged := self._about(rules, _Action("shape", "destructive"), why)):
            yield judged
        unknown = [*found.unknown, *([why] if (why := may_destroy(found)) else [])]
        if unknown:
            action = _Action("shape", "unknown")
            yield self._about(rules, action, unknown[0]) or _action(
                action, self.policy.unknown, "unknown", f"it cannot be understood: {unknown[0]}"
            )

    def _about(self, rules: list[Rule], action: _Action, why: str = "") -> JudgedAction | None:
        """What the rules say about one action; None if no rule is about it."""
        weighed = [(rule, w) for rule in rules if (w := _weight(rule, action)) is not None]
        if not weighed:
            return None
        denying = [pair for pair in weighed if pair[0].decision == "deny"]
        # max() takes the first of equals, and the operator's rules come first.
        rule, _ = max(denying or weighed, key=lambda pair: (*pair[1], _STRICT[pair[0].decision]))
        reason = ": ".join(part for part in (rule.reason, why) if part)
        return _action(action, rule.decision, rule.name, reason)


def _telling(actions: Sequence[JudgedAction], verdict: Verdict) -> tuple[JudgedAction, ...]:
    """The first ones; of too many, those that decided come first."""
    if len(actions) <= MOST_ACTIONS:
        return tuple(actions)
    return tuple(sorted(actions, key=lambda one: one.verdict != verdict)[:MOST_ACTIONS])


def _keys(asked: Question, actions: Sequence[JudgedAction]) -> frozenset[str]:
    """The questions in a decision: each action that is asked about, in this very call."""
    whole = [asked.tool, asked.command, list(asked.paths), list(asked.hosts)]
    digest = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    about = {each.kind for each in actions if each.verdict == "ask"}
    return frozenset(f"{kind}:{digest}" for kind in about)


def _action(action: _Action, verdict: Verdict, rule: str, reason: str) -> JudgedAction:
    text = safe(action.text)
    return JudgedAction(
        kind=action.kind, text=text, verdict=verdict, rule=rule, reason=safe(reason)
    )


def _concerns(rule: Rule, asked: Question) -> bool:
    names = (asked.tool, f"{asked.source}:{asked.tool}")
    return (
        (not rule.tools or patterns.name_fits(rule.tools, *names))
        and (not rule.sessions or patterns.name_fits(rule.sessions, asked.session))
        and (not rule.branches or patterns.name_fits(rule.branches, asked.branch))
    )


def _actions(asked: Question, found: Found) -> Iterator[_Action]:
    for run in found.runs:
        yield _Action("command", shlex.join(run.shown()), run)
    for path in asked.paths:
        below = patterns.below_workspace(path)
        yield _Action("path", path if below is None else below)


def _mentioned(found: Found) -> Iterator[str]:
    """Paths below the workspace that a command line names: words and redirections."""
    seen = set()
    words = [word for run in found.runs for word in run.words]
    for word in [*words, *(each.target for each in found.redirects)]:
        for text in _path_like(word.text if word.text is not None else word.prefix):
            path = patterns.below_workspace(text)
            if path and path not in seen:
                seen.add(path)
                yield path


def _named(path: str, named: frozenset[str]) -> bool:
    """Whether the path, or a directory that it lies in, was named."""
    return any(path == each or path.startswith(f"{each}/") for each in named)


def _path_like(text: str) -> Iterable[str]:
    # `--file=secrets/key` and `@secrets/key` name a file, too.
    _, _, value = text.partition("=")
    return [part for part in {text, value, text.lstrip("@")} if part]


def _weight(rule: Rule, action: _Action) -> tuple[int, int] | None:
    """How specific the rule is about this action: conditions given, then literal characters."""
    own = {
        "command": rule.commands,
        "path": rule.paths,
        "host": rule.hosts,
        "shape": rule.shapes,
        "tool": (),
    }[action.kind]
    general = not (rule.commands or rule.paths or rule.hosts or rule.shapes)
    if action.kind == "tool":
        fitting: list[str] = []
        if not general:
            return None
    else:
        surely = rule.decision == "allow"
        fitting = [pattern for pattern in own if _fits(pattern, action, surely=surely)]
        if not fitting:
            return None
    narrow = [rule.tools, rule.sessions, rule.branches]
    conditions = sum(bool(each) for each in narrow) + bool(fitting)
    literal = max((patterns.weight(each) for each in fitting), default=0)
    literal += sum(max(map(patterns.weight, each)) for each in narrow if each)
    return conditions, literal


def _fits(pattern: str, action: _Action, *, surely: bool) -> bool:
    match action.kind:
        case "command":
            run = action.run
            return (
                run is not None
                and run.name is not None
                and bool(pattern.split())
                and patterns.command_fits(pattern, run.name, run.words, surely=surely)
            )
        case "path":
            return patterns.path_fits(pattern, action.text)
        case "host":
            return patterns.host_fits(pattern, action.text)
        case _:
            return pattern == action.text
