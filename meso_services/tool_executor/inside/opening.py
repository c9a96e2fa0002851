"""Open a file of the workspace without ever leaving it.

Each name is opened relative to the directory before it, without following links; links
are resolved here, and one that leads outside is refused. The sandbox shows nothing else
worth reading, so this is the second wall, and the one that can say what was wrong.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable

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


def open_file(workspace: str, path: str, expected: object = None) -> tuple[int, str]:
    """Open a regular file for reading; return the descriptor and its path in the workspace.

    Raises Refused.
    """
    with Place(workspace, path, expected=expected) as place:
        return place.open(), place.path


class Place:
    """Where a path leads: a directory that is held open, and a name in it that is no link.

    Whoever moves or replaces directories meanwhile changes nothing about what was found. With
    `make`, directories that are missing are made, and `make` is called before the first one;
    with `lenient` they count as made, and only `path` may be used. `expected` is what `path`
    must be. Raises Refused.
    """

    # What the caller knows of the path, each by its name.
    def __init__(
        self,
        workspace: str,
        path: str,
        *,
        make: Callable[[], None] | None = None,
        lenient: bool = False,
        expected: object = None,
    ) -> None:
        self._workspace, self._asked = workspace, path
        self._make, self._lenient = make, lenient
        self._directories = [os.open(workspace, _DIRECTORY)]
        self._walked: list[str] = []
        self.name = ""
        try:
            self._walk(_names(workspace, path))
            if expected is not None and expected != self.path:
                raise Refused("changed", f"{path!r} leads elsewhere by now; try again")
        except OSError as error:
            self.close()
            raise refusal(error, path) from None
        except Refused:
            self.close()
            raise

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._directories:
            os.close(self._directories.pop())

    @property
    def directory(self) -> int:
        return self._directories[-1]

    @property
    def path(self) -> str:
        """Within the workspace, with links resolved."""
        return "/".join([*self._walked, self.name])

    def status(self) -> os.stat_result | None:
        """The file's status, or None if there is none. Raises Refused for other kinds."""
        try:
            found = os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refusal(error, self._asked) from None
        _require_regular(found.st_mode, self.name)
        return found

    def open(self) -> int:
        """Open the regular file for reading."""
        try:
            if self.status() is None:
                raise FileNotFoundError(errno.ENOENT, "no such file")
            descriptor = os.open(self.name, _FILE, dir_fd=self.directory)
        except OSError as error:
            raise refusal(error, self._asked) from None
        try:
            _require_regular(os.fstat(descriptor).st_mode, self.name)
        except Refused:
            os.close(descriptor)
            raise
        return descriptor

    def _walk(self, names: list[str]) -> None:
        links = 0
        while names:
            name = names.pop(0)
            if name == "..":
                self._leave()
                continue
            target = _link(name, self.directory)
            if target is not None:
                links += 1
                if links > MAX_LINKS:
                    raise Refused("not_found", "too many symbolic links")
                if target.startswith("/"):
                    while self._walked:
                        self._leave()
                names[:0] = _names(self._workspace, target)
            elif not names or (self._lenient and not self._is_there(name)):
                self.name = "/".join([name, *names])
                return
            else:
                self._enter(name)
        raise Refused("not_a_file", "the path is a directory; name a file in it")

    def _is_there(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _enter(self, name: str) -> None:
        if self._make is not None and not self._is_there(name):
            self._make()
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=self.directory)
                os.fsync(self.directory)
        self._directories.append(os.open(name, _DIRECTORY, dir_fd=self.directory))
        self._walked.append(name)

    def _leave(self) -> None:
        if not self._walked:
            raise Refused("path_escape", "the path leads out of the workspace")
        os.close(self._directories.pop())
        self._walked.pop()


def _names(workspace: str, path: str) -> list[str]:
    if path.startswith("/"):
        if path != workspace and not path.startswith(workspace + "/"):
            raise Refused("path_escape", f"{path!r} is outside of {workspace}")
        path = path[len(workspace) :]
    return [name for name in path.split("/") if name not in ("", ".")]


def _link(name: str, directory: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):  # not a link, or not there
            return None
        raise


def _require_regular(mode: int, name: str) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a regular file")
        raise Refused("not_a_file", f"{name!r} is {kind}; only regular files can be used")


def refusal(error: OSError, path: str) -> Refused:
    """Why the kernel said no, in our words."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            why = ": a name before the last is no directory" if error.errno == errno.ENOTDIR else ""
            return Refused("not_found", f"no file {path!r} in the workspace{why}")
        case errno.ENAMETOOLONG:
            return Refused("not_found", "a name in the path is longer than the file system allows")
        case errno.ELOOP:
            return Refused("not_found", f"{path!r} changed while it was opened; try again")
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return Refused("full", f"no space left to write {path!r}; nothing was changed")
        case errno.EACCES | errno.EPERM:
            return Refused("unreadable", f"the tools' user may not use {path!r}")
        case _:
            return Refused("unreadable", f"cannot use {path!r}: {error.strerror}")
