"""Decisions of the policy: the shipped rules, the order of rules, and what always holds."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.tool_executor.policy.judge import Judge, Question
from meso_services.tool_executor.policy.settings import Policy, Rule


def rule(name: str, decision: str, **conditions: Any) -> Rule:
    return Rule.model_validate_json(json.dumps({"name": name, "decision": decision, **conditions}))


def verdict(policy: Policy, **asked: Any) -> tuple[str, str]:
    question = Question(**{"tool": "bash", "session": "s", "branch": "main", **asked})
    decision = Judge(policy).judge(question).decision
    return decision.verdict, decision.rule


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf x",
        "rm -r -f build/",
        "/bin/rm -fr .",
        "r''m -rf x",
        "\\rm -Rf x",
        "rm --rec x",
        "bash -c 'rm -rf x'",
        "env A=1 rm -rf /",
        "find . -name '*.o' -delete",
        "find . -exec rm -rf {} +",
        "ls | xargs rm -rf",
        "echo $(rm -rf x)",
        "echo `rm -rf x`",
        "if true; then rm -rf x; fi",
        "for i in a; do rm -rf $i; done",
        "f() { rm -rf x; }; f",
        ":(){ :|:& };:",
        "eval 'rm -rf x'",
        "bash <<'E'\nrm -rf x\nE",
        "timeout 5 rm -rf x",
        "busybox rm -rf x",
        "rm -rf /tmp/../workspace",
        "rm -rf /tmp",
        "rm -rf /tmp/$X",
        "ln -s /workspace /tmp/l; rm -rf /tmp/l/*",
        "git clean -fdx",
        "git reset --hard HEAD~1",
        "dd if=/dev/zero of=/dev/sda",
        "mkfs.ext4 x",
        "shred f",
        "rm -rf -- -x",
        "rm x -rf",
    ],
)
def test_destructive_shapes_are_denied_with_the_seeds_words(command: str) -> None:
    question = Question("bash", "s", "main", command=command)
    decision = Judge(Policy()).judge(question).decision
    assert (decision.verdict, decision.rule) == ("deny", "destructive")
    assert decision.reason.startswith("Denied (destructive)")


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /tmp/x",
        "rm -f a b",
        "rm -- -rf",
        "git status",
        "make 2>&1 | tee log",
        "ls # rm -rf x",
        "echo 'rm -rf x'",
        "cat <<'E'\nrm -rf x\nE",
        "grep -r rm .",
        "python3 -c 'print(1)'",
    ],
)
def test_everyday_commands_run(command: str) -> None:
    assert verdict(Policy(), command=command)[0] == "allow"


def test_deny_wins_then_the_most_specific_then_the_stricter() -> None:
    policy = Policy(
        rules=(
            rule("all-git", "ask", commands=["git *"]),
            rule("git-status", "allow", commands=["git status *"]),
            rule("no-push", "deny", commands=["git push *"]),
            rule("push-here", "allow", commands=["git push origin *"], sessions=["s"]),
            rule("same-a", "allow", commands=["make *"]),
            rule("same-b", "ask", commands=["make *"]),
        )
    )
    assert verdict(policy, command="git log") == ("ask", "all-git")
    assert verdict(policy, command="git status -s") == ("allow", "git-status")
    assert verdict(policy, command="git push origin main") == ("deny", "no-push")
    assert verdict(policy, command="make all") == ("ask", "same-b")
    assert verdict(policy, command="git status; git log") == ("ask", "all-git")


def test_words_that_are_not_known_fit_what_is_stricter_only() -> None:
    policy = Policy(
        default="ask",
        rules=(
            rule("no-push", "deny", commands=["git push *"]),
            rule("fetch", "allow", commands=["git fetch origin"]),
            rule("bash", "ask", tools=["bash"], sessions=["s"]),
        ),
    )
    assert verdict(policy, command="git $X origin") == ("deny", "no-push")
    assert verdict(policy, command="git fetch $X")[0] == "ask"
    assert verdict(policy, command="git fetch origin")[0] == "allow"


def test_paths_hosts_sessions_and_branches() -> None:
    policy = Policy(
        rules=(
            rule("keys", "deny", paths=["secrets/**", "*.pem"]),
            rule("pypi", "allow", hosts=["pkg.test", "*.files.test:443"]),
            rule("main", "ask", tools=["write", "edit"], branches=["main"]),
        )
    )
    for path in ("secrets/a", "secrets/b/c", "x/y.pem", "/workspace/secrets/a", "a/../secrets/b"):
        assert verdict(policy, tool="read", paths=[path]) == ("deny", "keys")
    assert verdict(policy, tool="read", paths=["notes.md"])[0] == "allow"
    assert verdict(policy, command="cat ./secrets/a") == ("deny", "keys")
    assert verdict(policy, command="tar cf x --file=secrets/a") == ("deny", "keys")
    assert verdict(policy, command="echo x > secrets/a") == ("deny", "keys")
    assert verdict(policy, tool="write", paths=["a"]) == ("ask", "main")
    assert verdict(policy, tool="write", paths=["a"], branch="try")[0] == "allow"
    assert verdict(policy, command="pip download x", hosts=["PKG.Test."])[0] == "allow"
    assert verdict(policy, command="pip", hosts=["pkg.test:80"]) == ("deny", "default")
    assert verdict(policy, command="pip", hosts=["evil.example"]) == ("deny", "default")


def test_shipped_rules_can_be_left_out_by_name_and_unknown_lines_never_allowed() -> None:
    assert verdict(Policy(without=("destructive",)), command="rm -rf x")[0] == "allow"
    assert verdict(Policy(), command="$X")[0] == "ask"
    assert verdict(Policy(unknown="deny"), command="$X")[0] == "deny"
    assert verdict(Policy(), tool="mcp__a__b") == ("ask", "default")
    assert verdict(Policy(), tool="count", source="custom") == ("allow", "custom-tools")


COMMANDS = st.sampled_from(
    ["ls", "git push", "rm -rf x", "rm -rf /tmp/x", "$X", "make", "cat secrets/a", "git $A"]
)
JOINED = st.lists(COMMANDS, min_size=1, max_size=3).map("; ".join)
RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["allow", "ask", "deny"]),
        commands=st.lists(st.sampled_from(["git *", "git push *", "ls", "rm *", "*"]), max_size=2),
        sessions=st.sampled_from([[], ["s"], ["t"]]),
    ),
    max_size=4,
).map(tuple)
_STRICT = ["allow", "ask", "deny"]


@settings(max_examples=200, deadline=None)
@given(RULES, JOINED, COMMANDS)
def test_more_commands_never_make_a_decision_laxer(
    rules: tuple[Rule, ...], first: str, more: str
) -> None:
    policy = Policy(rules=rules)
    alone = verdict(policy, command=first)[0]
    together = verdict(policy, command=f"{first}; {more}")[0]
    assert _STRICT.index(together) >= _STRICT.index(alone)


@settings(max_examples=200, deadline=None)
@given(RULES, JOINED)
def test_a_rule_that_denies_is_never_outweighed(rules: tuple[Rule, ...], text: str) -> None:
    denying = rule("never", "deny", commands=["*", "* *"])
    assert verdict(Policy(rules=(*rules, denying)), command=text)[0] == "deny" or "$X" in text


@settings(max_examples=200, deadline=None)
@given(RULES, JOINED, st.randoms())
def test_the_order_of_rules_does_not_matter(
    rules: tuple[Rule, ...], text: str, random: Random
) -> None:
    other = random.sample(rules, len(rules))
    one, two = (verdict(Policy(rules=each), command=text)[0] for each in (rules, tuple(other)))
    assert one == two


@settings(max_examples=200, deadline=None)
@given(RULES, RULES, JOINED)
def test_a_further_rule_that_denies_never_makes_a_decision_laxer(
    rules: tuple[Rule, ...], more: tuple[Rule, ...], text: str
) -> None:
    denying = tuple(one for one in more if one.decision == "deny")
    before = verdict(Policy(rules=rules), command=text)[0]
    after = verdict(Policy(rules=(*rules, *denying)), command=text)[0]
    assert _STRICT.index(after) >= _STRICT.index(before)


@settings(max_examples=200, deadline=None)
@given(RULES, st.text("rm -fx;$'\"\\ \n(){}|&<>`a/*", max_size=40))
def test_any_text_gets_a_decision_and_the_same_one_again(
    rules: tuple[Rule, ...], text: str
) -> None:
    question = Question("bash", "s", "b", command=text)
    first, second = (Judge(Policy(rules=rules)).judge(question) for _ in range(2))
    assert first == second
    if first.found.unknown:
        assert first.decision.verdict != "allow"
