"""What a person calls a session or a checkpoint: its id, the beginning of it, or its name.

Only the command line does so: over a socket an id is an id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from meso_cli.output import CliError

if TYPE_CHECKING:
    from meso_services.contract.client import Connection

SHORTEST = 4
MOST_SHOWN = 8
_WHOLE = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_IN_A_PATH = re.compile("(?<=^/v1/)(sessions|checkpoints)/([^/?]+)")


def session(connection: Connection, word: str) -> str:
    """The id of the session that is meant, or the word where none is. Raises `cli.ambiguous`."""
    from meso_services.contract.client import SessionManager  # noqa: PLC0415 (needs packages)

    if _WHOLE.fullmatch(word):
        return word
    found = ((one.id, one.name) for one in SessionManager(connection).sessions())
    return one_of("session", word, found)


def checkpoint(connection: Connection, word: str) -> str:
    """The same of a checkpoint."""
    from meso_services.contract.checkpoints import Checkpoints  # noqa: PLC0415 (needs packages)

    if _WHOLE.fullmatch(word):
        return word
    rows = connection.get("/v1/checkpoints", Checkpoints).checkpoints
    return one_of("checkpoint", word, ((row.checkpoint_id, row.checkpoint_name) for row in rows))


def path(connection: Connection, given: str) -> str:
    """A path of the session manager with the id in place of the word that names it."""

    def named(found: re.Match[str]) -> str:
        kind, word = found[1], found[2]
        return f"{kind}/{(session if kind == 'sessions' else checkpoint)(connection, word)}"

    return _IN_A_PATH.sub(named, given)


def workspace(word: str) -> str:
    """The session whose workspace is meant. A workspace may be called as no session is."""
    from meso_services.contract.client import CallError, Connection  # noqa: PLC0415

    if _WHOLE.fullmatch(word):
        return word
    try:
        with Connection("session-manager", patience=0) as connection:
            return session(connection, word)
    except CallError:
        return word


def one_of(kind: str, word: str, known: Iterable[tuple[str, str | None]]) -> str:
    """An id wins over a name, and a name over the beginning of an id; the word where none is meant.

    Raises `cli.ambiguous`.
    """
    by_name, by_beginning = [], []
    for ident, name in known:
        if ident == word:
            return ident
        if name == word:
            by_name.append(ident)
        elif len(word) >= SHORTEST and ident.startswith(word):
            by_beginning.append(ident)
    found = by_name or by_beginning
    if len(found) > 1:
        shown = "\n".join(found[:MOST_SHOWN] + ["…"] * (len(found) > MOST_SHOWN))
        raise CliError("cli.ambiguous", f"{word!r} may be any of {len(found)} {kind}s.", hint=shown)
    return found[0] if found else word
