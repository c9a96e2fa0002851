"""Commands that destroy: the shapes that the shipped policy refuses."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from meso_services.tool_executor.policy.commands import Found, Run
from meso_services.tool_executor.policy.words import Word

SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - the sandbox's own
_ALWAYS = frozenset({"shred", "wipefs", "blkdiscard", "mkswap", "fdisk", "sfdisk", "parted"})


def destroys(found: Found) -> str:
    """Why the command line is destructive, or an empty string."""
    if found.bombs:
        return "a function that starts itself again and again"
    # A link made on the way could lead out of the scratch directory again.
    links = any(run.name == "ln" for run in found.runs)
    return next((why for run in found.runs if (why := _run(run, links=links))), "")


def may_destroy(found: Found) -> str:
    """Why it may be destructive, where only the run will tell."""
    for run in found.runs:
        if run.name == "rm" and _unsure_options(run.words):
            return "`rm` with options that are only known when it runs"
    return ""


def _run(run: Run, *, links: bool) -> str:
    name, words = run.name or "", run.words
    if name in _ALWAYS or name.startswith("mkfs"):
        return f"`{name}` destroys what it is given"
    match name:
        case "rm":
            if _removes_trees(words) and (links or not _in_scratch(_targets(words))):
                return "`rm -r` outside of the scratch directory"
        case "find":
            deletes = any(w.text == "-delete" for w in words)
            if deletes and (links or not _in_scratch(_roots(words))):
                return "`find -delete` outside of the scratch directory"
        case "dd":
            targets = [w.text or w.prefix for w in words if (w.text or w.prefix).startswith("of=")]
            if any(
                target.startswith("of=/dev/") and target != "of=/dev/null" for target in targets
            ):
                return "`dd` onto a device"
        case "git":
            return _git(words)
        case _:
            pass
    return ""


def _git(words: tuple[Word, ...]) -> str:
    texts = [w.text or "?" for w in words]
    if "clean" in texts and any(t.startswith("-") and "f" in t for t in texts):
        return "`git clean -f` removes what is in no commit"
    if "reset" in texts and "--hard" in texts:
        return "`git reset --hard` removes changes that are in no commit"
    return ""


def _options(words: Sequence[Word]) -> list[Word]:
    before: list[Word] = []
    for word in words:
        if word.text == "--":
            break
        before.append(word)
    return [word for word in before if word.may_be_option]


def _removes_trees(words: Sequence[Word]) -> bool:
    for word in _options(words):
        text = word.text if word.text is not None else word.prefix
        if text.startswith("--"):
            # Long options may be abbreviated.
            if len(text) > 2 and "--recursive".startswith(text):
                return True
        elif text.startswith("-") and ("r" in text or "R" in text):
            return True
    return False


def _unsure_options(words: Sequence[Word]) -> bool:
    return any(word.text is None for word in _options(words))


def _targets(words: Sequence[Word]) -> list[Word]:
    targets, ended = [], False
    for word in words:
        if not ended and word.text == "--":
            ended = True
        elif ended or not (word.text is not None and word.may_be_option):
            targets.append(word)
    return targets


def _roots(words: Sequence[Word]) -> list[Word]:
    roots = []
    for word in words:
        if (word.text or word.prefix).startswith(("-", "(", "!")):
            break
        roots.append(word)
    return roots or [Word.literal(".")]


def _in_scratch(targets: Sequence[Word]) -> bool:
    return bool(targets) and all(_is_scratch(word) for word in targets)


def _is_scratch(word: Word) -> bool:
    """Below a scratch directory for sure, and not that directory's parents by `..`."""
    if word.splits:
        return False
    known = word.text if word.text is not None else word.prefix
    if word.text is None and ".." in word.shown:
        return False
    path = posixpath.normpath(known) + ("/" if known.endswith("/") else "")
    return any(path.startswith(f"{place}/") for place in SCRATCH)
