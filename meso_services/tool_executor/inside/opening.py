"""Open a file of the workspace without ever leaving it.

Each name is opened relative to the directory before it, without following links; links
are resolved here, and one that leads outside is refused. The sandbox shows nothing else
worth reading, so this is the second wall, and the one that can say what was wrong.
"""

from __future__ import annotations

import errno
import os
import stat

MAX_LINKS = 40
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a pipe would wait for a writer for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """Why a file is not opened: a stable code and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def open_file(workspace: str, path: str) -> tuple[int, str]:
    """Open a regular file for reading; return the descriptor and its path in the workspace.

    Raises Refused.
    """
    names = _names(workspace, path)
    directories = [os.open(workspace, _DIRECTORY)]
    walked: list[str] = []
    try:
        return _walk(workspace, names, directories, walked), "/".join(walked)
    except OSError as error:
        raise _refusal(error, path) from None
    finally:
        for descriptor in directories:
            os.close(descriptor)


def _names(workspace: str, path: str) -> list[str]:
    if path.startswith("/"):
        if path != workspace and not path.startswith(workspace + "/"):
            raise Refused("path_escape", f"{path!r} is outside of {workspace}")
        path = path[len(workspace) :]
    return [name for name in path.split("/") if name not in ("", ".")]


def _walk(workspace: str, names: list[str], directories: list[int], walked: list[str]) -> int:
    links = 0
    while names:
        name = names.pop(0)
        if name == "..":
            _leave(directories, walked)
            continue
        target = _link(name, directories[-1])
        if target is not None:
            links += 1
            if links > MAX_LINKS:
                raise Refused("not_found", "too many symbolic links")
            if target.startswith("/"):
                _to_top(directories, walked)
            names[:0] = _names(workspace, target)
        elif names:
            directories.append(os.open(name, _DIRECTORY, dir_fd=directories[-1]))
            walked.append(name)
        else:
            return _regular(name, directories[-1], walked)
    raise Refused("not_a_file", "the path is a directory; name a file in it")


def _leave(directories: list[int], walked: list[str]) -> None:
    if not walked:
        raise Refused("path_escape", "the path leads out of the workspace")
    os.close(directories.pop())
    walked.pop()


def _to_top(directories: list[int], walked: list[str]) -> None:
    while walked:
        _leave(directories, walked)


def _link(name: str, directory: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.EINVAL:  # there, and not a link
            return None
        raise


def _regular(name: str, directory: int, walked: list[str]) -> int:
    mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    _require_regular(mode, name)
    descriptor = os.open(name, _FILE, dir_fd=directory)
    try:
        _require_regular(os.fstat(descriptor).st_mode, name)
    except Refused:
        os.close(descriptor)
        raise
    walked.append(name)
    return descriptor


def _require_regular(mode: int, name: str) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a regular file")
        raise Refused("not_a_file", f"{name!r} is {kind}; only regular files can be read")


def _refusal(error: OSError, path: str) -> Refused:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return Refused("not_found", f"no file {path!r} in the workspace")
        case errno.ENAMETOOLONG:
            return Refused("not_found", "a name in the path is longer than the file system allows")
        case errno.ELOOP:
            return Refused("not_found", f"{path!r} changed while it was opened; try again")
        case errno.EACCES | errno.EPERM:
            return Refused("unreadable", f"the tools' user may not read {path!r}")
        case _:
            return Refused("unreadable", f"cannot read {path!r}: {error.strerror}")
