"""From a shell's simple commands to the programs that run: wrappers, shells and `find -exec`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from meso_services.tool_executor.policy.expansion import MAX_WORDS
from meso_services.tool_executor.policy.shell import MAX_COMMANDS, MAX_DEPTH, read
from meso_services.tool_executor.policy.words import (
    Redirect,
    Script,
    Simple,
    TooMuch,
    Unknown,
    Word,
)

_SYSTEM = re.compile(r"/(usr/)?(local/)?s?bin/([^/]+)")
# A value here changes which program a name means, or runs something by itself.
_DECIDING = re.compile(
    r"(PATH|IFS|ENV|BASH_ENV|BASH_FUNC.*|SHELLOPTS|BASHOPTS|PS[0-4]|PROMPT_COMMAND|LD_.*|"
    r"GCONV_PATH|PYTHONSTARTUP|PERL5OPT|PERL5LIB|GIT_.*|PAGER|EDITOR|VISUAL|LESSOPEN)"
)
SHELLS = frozenset({"bash", "sh", "dash", "ash", "zsh", "ksh", "mksh", "rbash"})
# Wrapper → options that stand alone, options that take the next word.
_WRAPPERS: dict[str, tuple[str, str]] = {
    "nohup": ("", ""),
    "nice": ("", "n"),
    "setsid": ("cfw", ""),
    "stdbuf": ("", "ioe"),
    "timeout": ("fpv", "ks"),
    "ionice": ("t", "cn"),
    "time": ("apv", "fo"),
    "command": ("p", ""),
    "builtin": ("", ""),
    "exec": ("cl", "a"),
    "xargs": ("0rtpx", "aEdILnPs"),
    "busybox": ("", ""),
    "chronic": ("", ""),
}
# They run what their words say in ways that are not followed.
_OPAQUE = frozenset(
    {
        *("su", "sudo", "doas", "runuser", "setpriv", "chroot", "unshare", "nsenter", "script"),
        *("watch", "flock", "parallel", "strace", "ltrace", "gdb", "systemd-run", "ssh", "screen"),
        *("tmux", "start-stop-daemon", "dbus-run-session", "setarch", "linux32", "linux64"),
        *("prlimit", "choom", "taskset", "chrt", "expect", "socat", "bwrap", "capsh", "i386"),
        *("x86_64", "uname26", "alias", "compgen", "complete", "bind", "fc", "enable", "hash"),
        *(
            "mapfile",
            "readarray",
            "ld.so",
            "run-parts",
            "ed",
            "at",
            "batch",
            "crontab",
            "uclampset",
        ),
    }
)
# Builtins that evaluate a subscript of a name that they are given.
_SUBSCRIPTS = frozenset(
    {*("test", "[", "unset", "printf", "read", "declare", "typeset", "local", "export", "readonly")}
    | {"let", "wait", "getopts"}
)
_DECLARING = frozenset({"export", "declare", "typeset", "local", "readonly"})


@dataclass(frozen=True)
class Run:
    """One program that would run. `name` is None if only the run will tell."""

    name: str | None
    words: tuple[Word, ...]

    def shown(self) -> tuple[str, ...]:
        first = self.name if self.name is not None else "?"
        rest = tuple(w.text if w.text is not None else (w.shown or "?") for w in self.words)
        return (first, *rest)


@dataclass
class Found:
    """What a command line would do, as far as it can be seen."""

    runs: list[Run] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    bombs: bool = False
    # Why it is more than is looked at; then all of it is refused.
    excess: str = ""
    words: int = 0

    def add(self, run: Run) -> None:
        """One more program. Raises TooMuch."""
        self.runs.append(run)
        self.words += 1 + len(run.words)
        if self.words > MAX_WORDS or len(self.runs) > MAX_COMMANDS:
            raise TooMuch(f"it has more than {MAX_COMMANDS} commands or {MAX_WORDS} words")


def find(text: str) -> Found:
    """Everything that the command line `text` would run."""
    found = Found()
    try:
        _script(text, found, 0)
    except Unknown as reason:
        found.unknown.append(str(reason))
    except TooMuch as reason:
        found.excess = str(reason)
    found.unknown = list(dict.fromkeys(found.unknown))
    return found


def _script(text: str, found: Found, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Unknown("it is nested too deeply")
    script = read(text, depth)
    found.unknown += script.unknown
    if script.arithmetic and script.hides_substitution:
        found.unknown.append("text with a substitution in it, beside arithmetic that may run it")
    for command in script.commands:
        found.redirects += command.redirects
        found.bombs |= _is_bomb(command, script)
        try:
            _command(command, found, depth)
        except Unknown as reason:
            found.unknown.append(str(reason))


def _is_bomb(command: Simple, script: Script) -> bool:
    name = command.words[0].text if command.words else None
    return command.piped and name is not None and name == command.function in script.functions


def _command(command: Simple, found: Found, depth: int) -> None:
    for name, _ in command.assignments:
        if _DECIDING.fullmatch(name):
            found.unknown.append(f"{name} is set, which changes what commands mean")
    if command.words:
        _run(command.words, found, depth, _given(command.redirects))


def _given(redirects: Sequence[Redirect]) -> str | None:
    """Standard input, where the text itself holds it."""
    bodies = [each.body for each in redirects if each.op in ("<<", "<<-", "<<<")]
    return bodies[-1] if bodies else None


def _run(words: Sequence[Word], found: Found, depth: int, stdin: str | None = None) -> None:
    first, rest = words[0], tuple(words[1:])
    if first.text is None:
        found.add(Run(None, rest))
        raise Unknown(f"the command {first.shown} is only known when it runs")
    if depth > MAX_DEPTH:
        raise TooMuch("its commands are nested too deeply")
    name = plain(first.text)
    found.add(Run(name, rest))
    _warn(name, rest, found)
    if name == "busybox" and rest and rest[0].text in SHELLS:
        name, rest = "sh", rest[1:]
    if name in SHELLS:
        _shell(rest, found, depth, stdin)
    elif name in _WRAPPERS:
        _wrapper(name, rest, found, depth)
    elif inner := _SPECIAL.get(name):
        inner(rest, found, depth)
    elif name in _OPAQUE and rest:
        raise Unknown(f"what `{name}` runs is not followed")


def plain(name: str) -> str:
    """A system program without its directory. A path elsewhere stays a path."""
    found = _SYSTEM.fullmatch(name)
    return found[3] if found else name


def _warn(name: str, words: tuple[Word, ...], found: Found) -> None:
    if name in _DECLARING:
        for word in words:
            key = (word.text if word.text is not None else word.prefix).partition("=")[0]
            if (word.text is None and "=" not in word.prefix) or _DECIDING.fullmatch(key):
                found.unknown.append(f"`{name} {word.shown}` may change what commands mean")
    if name in _SUBSCRIPTS and any(_runs_in_subscript(w.text or "") for w in words):
        found.unknown.append(f"`{name}` evaluates a subscript with a command in it")
    if name in ("shopt", "set") and any(
        (w.text or "?") in ("expand_aliases", "extglob", "?") for w in words
    ):
        found.unknown.append(f"`{name}` changes how the shell reads commands")


def _runs_in_subscript(text: str) -> bool:
    inner = text.partition("[")[2]
    return "$(" in inner or "`" in inner


def _literal(words: Sequence[Word], what: str) -> list[str]:
    if any(word.text is None for word in words):
        raise Unknown(f"what `{what}` evaluates is only known when it runs")
    return [word.text or "" for word in words]


def _eval(words: tuple[Word, ...], found: Found, depth: int) -> None:
    _script(" ".join(_literal(words, "eval")), found, depth + 1)


def _trap(words: tuple[Word, ...], found: Found, depth: int) -> None:
    if words and words[0].text != "-":
        _script(_literal(words[:1], "trap")[0], found, depth + 1)


def _find(words: tuple[Word, ...], found: Found, depth: int) -> None:
    for inner in _executed(words):
        _run(inner, found, depth + 1)


def _source(words: tuple[Word, ...], _found: Found, _depth: int) -> None:
    _sourced(words)


def _shell(words: tuple[Word, ...], found: Found, depth: int, stdin: str | None) -> None:
    rest = list(words)
    while rest and rest[0].may_be_option:
        option = rest.pop(0).text
        if option is None or option.startswith(("--rcfile", "--init")) or "s" in option[1:2]:
            raise Unknown("a shell whose options are not followed")
        if option.startswith("--"):
            continue
        if option[-1:] in ("o", "O") and "c" not in option:
            rest = rest[1:]
        elif "c" in option:
            while rest and rest[0].may_be_option:
                rest.pop(0)
            if not rest:
                raise Unknown("a shell without its command")
            _script(_literal(rest[:1], "-c")[0], found, depth + 1)
            return
    if not rest:
        if stdin is None:
            raise Unknown("a shell that takes its commands from its input")
        _script(stdin, found, depth + 1)
    else:
        _sourced(tuple(rest))


def _sourced(words: tuple[Word, ...]) -> None:
    """A script in a file is run like any program; not so one that comes from a descriptor."""
    name = words[0].text if words else None
    if name is None or name == "-" or name.startswith(("/dev/", "/proc/")):
        raise Unknown("a shell that takes its commands from a place that is not a file")


def _env(words: tuple[Word, ...], found: Found, depth: int) -> None:
    rest = list(words)
    while rest:
        word = rest[0]
        if word.text is None and ("=" not in word.prefix or word.splits):
            raise Unknown("what `env` runs is only known when it runs")
        text = word.text if word.text is not None else word.prefix
        if text in ("-i", "-0", "-", "-v", "--", "--ignore-environment"):
            rest.pop(0)
        elif text in ("-u", "-C", "--unset", "--chdir"):
            rest = rest[2:]
        elif text.startswith("-"):
            raise Unknown(f"`env {text}` is not followed")
        elif "=" in text:
            if _DECIDING.fullmatch(text.partition("=")[0]):
                found.unknown.append(f"{text.partition('=')[0]} is set by `env`")
            rest.pop(0)
        else:
            _run(rest, found, depth + 1)
            return


def _wrapper(name: str, words: tuple[Word, ...], found: Found, depth: int) -> None:
    if name == "command" and words and words[0].text in ("-v", "-V"):
        return
    rest = _after_options(name, list(words))
    if name == "timeout" and rest:
        rest = rest[1:]
    if name == "xargs":
        rest = [*(rest or [Word.literal("echo")]), Word.anything()]
    if rest:
        _run(rest, found, depth + 1)


def _after_options(name: str, rest: list[Word]) -> list[Word]:
    alone, valued = _WRAPPERS[name]
    while rest and rest[0].may_be_option:
        text = rest.pop(0).text
        if text is None:
            raise Unknown(f"the options of `{name}` are only known when it runs")
        if text == "--":
            return rest
        if re.fullmatch(r"-[0-9]+", text) or (text.startswith("--") and "=" in text):
            continue
        if text.startswith("--"):
            raise Unknown(f"`{name} {text}` is not followed")
        letters = text[1:]
        while letters and letters[0] in alone:
            letters = letters[1:]
        if letters and letters[0] not in valued:
            raise Unknown(f"`{name} {text}` is not followed")
        if len(letters) == 1:
            rest = rest[1:]
    return rest


def _executed(words: tuple[Word, ...]) -> Iterator[list[Word]]:
    """The commands behind -exec and its like."""
    inner: list[Word] | None = None
    for word in words:
        if inner is None:
            if word.splits:
                raise Unknown("the options of `find` are only known when it runs")
            if word.text in ("-exec", "-execdir", "-ok", "-okdir"):
                inner = []
        elif word.text in (";", "+"):
            if inner:
                yield inner
            inner = None
        else:
            inner.append(Word.anything() if "{}" in (word.text or "{}") else word)
    if inner:
        raise Unknown("an -exec of `find` without its end")


_SPECIAL: dict[str, Callable[[tuple[Word, ...], Found, int], None]] = {
    "env": _env,
    "eval": _eval,
    "trap": _trap,
    "source": _source,
    ".": _source,
    "find": _find,
}
