"""Write and edit files of the workspace: whole or not at all, durably, and never through a link.

The new content goes into a file of its own beside the old one and takes its name, so that a
reader sees the one or the other. The mode is kept. Before anything of it can be seen under its
name, `go` is called: it returns once the call may have an effect, or raises.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from collections.abc import Callable

from meso_services.tool_executor.inside.opening import Place, Refused
from meso_services.tool_executor.inside.text import Text, shown

MAX_EDITED = 32 << 20
_NEW_MODE = 0o644
# Not the bits that make a program run as its owner.
_KEPT_BITS = 0o777
Request = dict[str, object]
Go = Callable[[], None]


def write(workspace: str, request: Request, go: Go) -> dict[str, object]:
    """Make or replace a file. Raises Refused, OSError."""
    content = str(request["content"])
    try:
        data = binascii.a2b_base64(content, strict_mode=True) if _is_base64(request) else None
    except binascii.Error as error:
        raise Refused("bad_base64", f"the content is not base64: {error}") from None
    data = content.encode() if data is None else data
    path, expected = str(request["path"]), request.get("expected")
    with Place(workspace, path, make=go, expected=expected) as place:
        old = place.status()
        if old is not None and request.get("create_only"):
            raise Refused("exists", f"{shown(place.path)} is there already")
        mode = _NEW_MODE if old is None else old.st_mode & _KEPT_BITS
        replace(place, data, mode, go, new_only=bool(request.get("create_only")))
        return {"path": f"{workspace}/{place.path}", "created": old is None, **_facts(data)}


def edit(workspace: str, request: Request, go: Go) -> dict[str, object]:
    """Replace a text that occurs once, or each time. Raises Refused, OSError."""
    with Place(workspace, str(request["path"]), expected=request.get("expected")) as place:
        mode, raw = _content(place)
        text = Text.read(raw)
        old, new = text.as_in_file(str(request["old"])), text.as_in_file(str(request["new"]))
        first, count = _found(text, old, new, all_of_them=bool(request.get("replace_all")))
        changed = text.with_body(text.body.replace(old, new))
        replace(place, changed, mode, go, expected=raw)
        return {
            "path": f"{workspace}/{place.path}",
            "replacements": count,
            "first_line": text.line_of(first),
            "encoding": text.encoding,
            "line_ending": text.line_ending,
            **_facts(changed),
        }


def replace(  # noqa: PLR0913 - what is written, and each condition by its name
    place: Place,
    data: bytes,
    mode: int,
    go: Go,
    *,
    new_only: bool = False,
    expected: bytes | None = None,
) -> None:
    """Give `place` this content. With `expected`, only if it still holds that."""
    temporary = f".new-{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600, dir_fd=place.directory)
    try:
        _fill(handle, data, mode)
        go()
        if expected is not None and _content(place)[1] != expected:
            raise Refused("changed", f"{shown(place.path)} changed while it was edited; try again")
        if new_only:
            _link(place, temporary)
        else:
            os.replace(
                temporary, place.name, src_dir_fd=place.directory, dst_dir_fd=place.directory
            )
    except BaseException:
        _remove(temporary, place.directory)
        raise
    os.fsync(place.directory)


def _fill(handle: int, data: bytes, mode: int) -> None:
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(place: Place, temporary: str) -> None:
    try:
        os.link(
            temporary,
            place.name,
            src_dir_fd=place.directory,
            dst_dir_fd=place.directory,
            follow_symlinks=False,
        )
    except FileExistsError:
        raise Refused("exists", f"{shown(place.path)} is there already") from None
    _remove(temporary, place.directory)


def _remove(name: str, directory: int) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return


def _content(place: Place) -> tuple[int, bytes]:
    handle = place.open()
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if found.st_size > MAX_EDITED:
            raise Refused("too_large", f"{shown(place.path)} is larger than {MAX_EDITED >> 20} MiB")
        return found.st_mode & _KEPT_BITS, file.read(MAX_EDITED + 1)


def _found(text: Text, old: str, new: str, *, all_of_them: bool) -> tuple[int, int]:
    """Where the first match is, and how many there are. Raises Refused unless they are fit."""
    if old == new:
        raise Refused("no_change", "the old and the new text are the same")
    first = text.body.find(old)
    if first < 0:
        mixed = " (its lines end in several ways: give each ending as it is)"
        more = mixed if text.line_ending == "mixed" and "\n" in old else ""
        raise Refused("no_match", f"the old text is not in the file; read it again{more}")
    if all_of_them:
        return first, text.body.count(old)
    # Also one that overlaps: it could have been meant as well.
    second = text.body.find(old, first + 1)
    if second >= 0:
        lines = f"{text.line_of(first)} and {text.line_of(second)}"
        raise Refused(
            "ambiguous",
            f"the old text occurs more than once, first in lines {lines}; "
            "give more of the text around it, or set replace_all",
        )
    return first, 1


def _is_base64(request: Request) -> bool:
    return request.get("encoding") == "base64"


def _facts(data: bytes) -> dict[str, object]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
