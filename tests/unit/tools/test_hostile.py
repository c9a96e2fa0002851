"""Command lines that are made to keep the policy busy: they are judged soon, and strictly."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meso_services.tool_executor.policy import patterns
from meso_services.tool_executor.policy.expansion import MAX_WORDS
from meso_services.tool_executor.policy.judge import MOST_ACTIONS, Judge, Question
from meso_services.tool_executor.policy.settings import Policy, Rule
from meso_services.tool_executor.policy.shell import MAX_COMMANDS

# As long as a command may be.
SIZE = 131_000
# Each of these takes less than a second; what tries again and again takes hours.
SECONDS = 20.0
POLICY = Policy(
    rules=(
        Rule(name="words", decision="deny", commands=("git *a*b*c*d", "git * *x*y*z*")),
        Rule(name="paths", decision="deny", paths=("**/a/**/b/**/c", "*a*b*c*d", "a**b**c")),
        Rule(name="hosts", decision="allow", hosts=("*a*b*c*.test",)),
    )
)


def filled(piece: str, before: str = "", after: str = "") -> str:
    return before + piece * ((SIZE - len(before) - len(after)) // len(piece)) + after


HOSTILE = {
    "brackets for test": filled("[", "test '", "'"),
    "a word for many stars": filled("abc", "git '", "'"),
    "directories for many stars": filled("a/b/c", "cat "),
    "braces that never close": filled(",", "echo {"),
    "braces that close": filled("{a,b}", "echo "),
    "sets that never close": filled("[", "echo "),
    "commands": filled("a;"),
    "words": filled("a ", "cat "),
    "pipes": filled("a|", after="a"),
    "lines": filled("a\n"),
    "evaluations": filled("eval "),
    "evaluated commands": filled("a;", "eval '", "'"),
    "wrappers": filled("env "),
    "other wrappers": filled("nohup "),
    "find": filled("-exec a ; ", "find . "),
    "quoted here documents": filled("cat <<'E'\nx\nE\n"),
    "open here documents": filled("cat <<E\n"),
    "functions": filled("f(){ f|f;};"),
    "substitutions": filled("$("),
    "backticks": filled("`"),
    "assignments": filled("A=1 "),
    "parentheses": filled("("),
    "redirections": filled(">b ", "a "),
    "paths": filled("=a/../b ", "cat "),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_longest_line_is_judged_in_bounded_time(name: str) -> None:
    began = time.process_time()
    judged = Judge(POLICY).judge(Question("bash", "s", "main", command=HOSTILE[name]))
    assert time.process_time() - began < SECONDS
    assert len(judged.decision.actions) <= MOST_ACTIONS


@pytest.mark.parametrize("filler", ["ls; ", "ls a\n", "$(ls) ", "`ls`; "])
def test_what_destroys_is_denied_however_much_stands_before_it(filler: str) -> None:
    command = filler * MAX_COMMANDS + "; rm -rf x"
    decision = Judge(Policy()).judge(Question("bash", "s", "main", command=command)).decision
    assert (decision.verdict, decision.rule) == ("deny", "too-much")
    assert "put them into a file" in decision.reason


@pytest.mark.parametrize("wrapper", ["env", "nohup", "nice", "eval", "command"])
@pytest.mark.parametrize("times", [1, 30, 100, 5000])
def test_what_destroys_is_never_allowed_however_deep_it_stands(wrapper: str, times: int) -> None:
    command = f"{wrapper} " * times + "rm -rf x"
    decision = Judge(Policy()).judge(Question("bash", "s", "main", command=command)).decision
    assert decision.verdict != "allow"
    assert decision.verdict == "deny" or wrapper == "eval"


def test_a_long_line_that_says_little_is_no_matter() -> None:
    body = "x" * 100 + "\n"
    command = f"cat > notes <<'END'\n{body * 1500}END\n"
    assert Judge(Policy()).judge(
        Question("bash", "s", "main", command=command)
    ).decision.verdict == ("allow")
    many = "touch " + "f " * (MAX_WORDS - 10)
    decision = Judge(Policy()).judge(Question("bash", "s", "main", command=many)).decision
    assert decision.verdict == "allow"


def test_of_too_many_actions_those_that_decided_are_shown() -> None:
    command = "ls; " * 200 + "git push; " + "ls; " * 200
    policy = Policy(rules=(Rule(name="no-push", decision="deny", commands=("git push *",)),))
    decision = Judge(policy).judge(Question("bash", "s", "main", command=command)).decision
    assert decision.omitted_actions == 402 - MOST_ACTIONS
    assert [one.text for one in decision.actions if one.verdict == "deny"] == ["git push"]


NAMES = (
    st.lists(st.sampled_from(["a", "b", "*", "?"]), min_size=1, max_size=3)
    .map("".join)
    .filter(lambda name: "**" not in name)
)
GLOBS = st.lists(NAMES | st.just("**"), min_size=1, max_size=4).map("/".join)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "ba\n"]), min_size=1, max_size=5).map("/".join)


def slow(pattern: str) -> re.Pattern[str]:
    """The same pattern for an engine that tries every way."""
    marks = {"**/": r"(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", re.sub(r"\*{2,}", "**", pattern))
    inner = "".join(marks.get(part, re.escape(part)) for part in parts)
    return re.compile(("" if "/" in pattern else r"(?:.*/)?") + inner + "(?:/.*)?", re.DOTALL)


@settings(max_examples=400, deadline=None)
@given(GLOBS, PATHS)
@example("a/**", "a")
@example("**/a/**", "a/b")
@example("*", "ba\n")
def test_a_path_fits_a_pattern_exactly_when_some_way_of_reading_it_does(
    pattern: str, path: str
) -> None:
    assert patterns.path_fits(pattern, path) == (slow(pattern).fullmatch(path) is not None)


@settings(max_examples=400, deadline=None)
@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_a_name_fits_a_pattern_exactly_when_some_way_of_reading_it_does(
    pattern: str, name: str
) -> None:
    wanted = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
    assert patterns.name_fits([pattern], name) == wanted


@pytest.mark.parametrize(
    ("path", "fits"), [("secret", True), ("secrets", True), ("secret/a/keys", True), ("a", False)]
)
def test_stars_inside_of_a_name_may_hold_a_slash(path: str, fits: bool) -> None:
    assert patterns.path_fits("sec**", path) == fits
    assert patterns.path_fits("s**e**t**", path) == fits


def test_a_pattern_with_too_many_ways_is_no_rule() -> None:
    with pytest.raises(ValueError, match=r"\*\*"):
        Rule(name="wide", decision="deny", paths=("a" + "**a" * 9,))
