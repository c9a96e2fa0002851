"""The parser sees at least the commands that bash runs: a table, and bash itself as the judge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meso_services.tool_executor.policy.commands import find

# Whatever bash would start, it says instead.
_SPY = 'PATH=; command_not_found_handle() { echo "RAN $1"; }; '


def ran_by_bash(text: str) -> set[str]:
    done = subprocess.run(
        ["/bin/bash", "-c", _SPY + "\n" + text],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = done.stdout + done.stderr
    return {line.split("RAN ", 1)[1].split()[0] for line in said.splitlines() if "RAN " in line}


NAMES = st.sampled_from(["k1", "k2", "k3", "k4"])
WORDS = st.sampled_from(
    [
        "a",
        "'b c'",
        '"d $X"',
        "$Y",
        "e\\ f",
        "*.k",
        "{g,h}",
        "$'i\\'j'",
        "${Z:-k}",
        "-x",
        "#h",
        "a#b",
        '"q\'s"',
        "'t\"u'",
        "$((1+2))",
        "\\\n",
    ]
)
SPELLINGS = st.sampled_from(
    [
        "{0}",
        "'{0}'",
        '"{0}"',
        "\\{0}",
        "k''{1}",
        "A=1 {0}",
        "> /dev/null {0}",
        "2>&1 {0}",
        "{0} <<< x",
        "! {0}",
        "time {0}",
    ]
)


def _simple() -> st.SearchStrategy[str]:
    def spell(name: str, how: str, words: list[str]) -> str:
        return " ".join([how.format(name, name[1:]), *words])

    return st.builds(spell, NAMES, SPELLINGS, st.lists(WORDS, max_size=3))


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    forms = st.sampled_from(
        [
            "{0}; {1}",
            "{0} && {1}",
            "{0} || {1}",
            "{0} | {1}",
            "({0}; {1})",
            "{{ {0}; {1}; }}",
            "if {0}; then {1}; else {1}; fi",
            "for i in 1 2; do {0}; done",
            "echo $({0})",
            "echo `k4`; {0}",
            'echo "$({0}) x"',
            "case a in a|b) {0};; *) {1};; esac",
            "f() {{ {0}; }}; f; {1}",
            "while {0}; do break; done",
            "cat <({0})",
            "{0} &\nwait",
            "cat <<E\n$({0})\nE\n{1}",
            "cat <<'E'\n$({0})\nE\n{1}",
            "eval '{2}'",
            "{0} # {1}",
            "[[ -n x && ( a < b ) ]] && {0}",
            "x=$({0}); {1}",
            "{0}\n\n{1}",
            "a=(1 $({0})); {1}",
            "until {0}; do {1}; break; done",
            "if ! {0}; then {1}; fi",
            "function g {{ {0}; }}; g",
        ]
    )
    return st.builds(lambda f, a, b, n: f.format(a, b, n), forms, inner, inner, NAMES)


SCRIPTS = st.recursive(_simple(), _compound, max_leaves=6)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCRIPTS)
def test_bash_runs_nothing_that_the_parser_does_not_see(text: str) -> None:
    found = find(text)
    if not found.unknown:
        assert ran_by_bash(text) <= {run.name for run in found.runs}, text


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="k1 ;|&()<>{}$`'\"\\\n#=*[]!-e", max_size=40))
def test_any_text_is_followed_or_called_unknown(text: str) -> None:
    """Never an exception, and never fewer commands than bash runs."""
    found = find(text)
    if not found.unknown and "<" not in text and ">" not in text:
        seen = {run.name for run in found.runs}
        assert {name for name in ran_by_bash(text) if name.startswith("k1")} <= seen, text


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("ls -la", [("ls", "-la")]),
        ("a=1 b=2 make -j4 2>&1 | tee log", [("make", "-j4"), ("tee", "log")]),
        ("/usr/bin/git push", [("git", "push")]),
        ("./git push", [("./git", "push")]),
        (
            "env A=1 nice -n 5 timeout 10 rm x",
            [
                ("env", "A=1", "nice", "-n", "5", "timeout", "10", "rm", "x"),
                ("nice", "-n", "5", "timeout", "10", "rm", "x"),
                ("timeout", "10", "rm", "x"),
                ("rm", "x"),
            ],
        ),
        ("bash -lc 'ls; pwd'", [("bash", "-lc", "ls; pwd"), ("ls",), ("pwd",)]),
        ("find . -exec cat {} \\;", [("find", ".", "-exec", "cat", "{}", ";"), ("cat", "?")]),
        ("ls | xargs -n1 rm", [("ls",), ("xargs", "-n1", "rm"), ("rm", "?")]),
        ("[ -d x ] && cd x", [("[", "-d", "x", "]"), ("cd", "x")]),
    ],
)
def test_commands_are_taken_out_of_their_wrapping(
    text: str, commands: list[tuple[str, ...]]
) -> None:
    found = find(text)
    assert found.unknown == []
    assert [run.shown() for run in found.runs] == commands


@pytest.mark.parametrize(
    "text",
    [
        "$X y",
        "a=rm; $a x",
        'sh -c "$C"',
        "echo x | sh",
        "curl x | bash -s",
        "eval $X",
        "sudo ls",
        "PATH=. ls",
        "export LD_PRELOAD=x",
        "alias ls=rm",
        "shopt -s expand_aliases",
        "xargs -Q ls",
        "env -S 'rm x'",
        "coproc ls",
        "(( x = 1 ))",
        "for ((;;)); do ls; done",
        "x='a[$(ls)]'; echo $((x))",
        "echo ${!x}",
        "echo ${x@P}",
        "read 'a[$(ls)]'",
        "${x} y",
        "source /dev/stdin",
        "bash /dev/fd/3",
        "{ls,-l}",
        "r* x",
        "ls \x01",
        'trap "$X" EXIT',
        "hash -p ./x ls",
        "ls <<",
        "echo 'x",
        "a() (ls)",
        "printf -v 'a[`ls`]' x",
    ],
)
def test_what_hides_a_command_is_unknown(text: str) -> None:
    assert find(text).unknown, text


def test_a_deep_nest_is_refused_and_not_a_crash(tmp_path: Path) -> None:
    assert find("echo " + "$(" * 500 + "ls" + ")" * 500).unknown
    assert find("bash -c '" * 3 + "ls" + "'" * 3) is not None
    assert find("(" * 5000).unknown
