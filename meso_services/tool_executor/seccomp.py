"""The sandbox's system call filter, as the program that the kernel runs for each call.

bubblewrap loads it just before the tool starts. It is a deny list: tools are programs of any
kind, and what a list of allowed calls forgets breaks them on the next kernel. What could lead
out of the sandbox is named in `syscalls.py`; namespaces and missing capabilities are the other
walls.
"""

from __future__ import annotations

import functools
import os
import platform
import struct
from collections.abc import Iterable, Iterator

from meso_services.runtime.errors import MesoError
from meso_services.tool_executor import syscalls

_ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32 = 0x40000000  # the second numbering of x86_64
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
KILL, ALLOW = 0x80000000, 0x7FFF0000
_ERRNO = 0x00050000
# Load a word; jump if equal, greater or equal, any bit set; return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
# time, mount, cgroup, UTS, IPC, user, PID and network namespaces
_NEW_NAMESPACE = 0x7E020080
_SETID = 0o6000
_O_CREAT = 0o100 | 0o20000000  # also O_TMPFILE, which makes a file without a name
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type as if the operator did
# UNIX, IPv4, IPv6. Of netlink (16) only the routing family, which C libraries ask for interfaces.
_FAMILIES = (1, 2, 10)
_NETLINK = 16
_PERSONALITIES = (0, 0xFFFFFFFF)  # Linux as it is, and the question which one

Instruction = tuple[int, int, int, int]


@functools.cache
def program(machine: str = "") -> bytes:
    """The filter for this processor, or for `machine`. Raises `tools.sandbox_unavailable`."""
    machine = machine or platform.machine()
    if machine not in _ARCHES:
        raise MesoError(
            "tools.sandbox_unavailable",
            f"there is no system call filter for {machine}, so nothing is run",
            status=503,
        )
    index, arch = _ARCHES[machine]
    return b"".join(struct.pack("=HBBI", *each) for each in _instructions(index, arch))


def descriptor() -> int:
    """A readable descriptor of the filter, for bubblewrap; the caller closes it."""
    handle = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    os.write(handle, program())
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def _instructions(index: int, arch: int) -> Iterator[Instruction]:
    yield _LOAD, 0, 0, _ARCH
    yield from _unless(_EQUAL, arch, KILL)  # 32-bit calls have other numbers
    yield _LOAD, 0, 0, _NUMBER
    if index == 0:
        yield from _when(_AT_LEAST, _X32, KILL)
    for names, answer in (
        (syscalls.KILLED, KILL),
        (syscalls.REFUSED, _ERRNO | _EPERM),
        (syscalls.ABSENT, _ERRNO | _ENOSYS),
    ):
        for numbers in names.values():
            if (number := numbers[index]) is not None:
                yield from _when(_EQUAL, number, answer)
    for numbers, body in _judged():
        if (number := numbers[index]) is not None:
            yield from _branch(number, body)
    yield _RETURN, 0, 0, ALLOW


def _judged() -> Iterator[tuple[syscalls.Numbers, list[Instruction]]]:
    refuse, no_family = _ERRNO | _EPERM, _ERRNO | _EAFNOSUPPORT
    for numbers in (syscalls.CLONE, syscalls.UNSHARE):
        yield numbers, [_argument(0), *_when(_ANY_BIT, _NEW_NAMESPACE, refuse)]
    typing = [each for code in _TERMINAL_INPUT for each in _when(_EQUAL, code, refuse)]
    yield syscalls.IOCTL, [_argument(1), *typing]
    yield syscalls.PERSONALITY, [_argument(0), *_only(_PERSONALITIES, refuse)]
    route = [_argument(2), *_unless(_EQUAL, 0, no_family), (_RETURN, 0, 0, ALLOW)]
    netlink = [(_EQUAL, 0, len(route), _NETLINK), *route]
    yield syscalls.SOCKET, [_argument(0), *netlink, *_only(_FAMILIES, no_family)]
    for numbers, place in syscalls.MODES.values():
        yield numbers, [_argument(place), *_when(_ANY_BIT, _SETID, refuse)]
    for numbers, place in syscalls.OPENS.values():
        mode = [_argument(place), *_when(_ANY_BIT, _SETID, refuse)]
        yield numbers, [_argument(place - 1), (_ANY_BIT, 0, len(mode), _O_CREAT), *mode]


def _argument(place: int) -> Instruction:
    """The low half of an argument: all that the kernel itself takes of those judged here."""
    return _LOAD, 0, 0, _ARGUMENTS + 8 * place


def _when(test: int, value: int, answer: int) -> list[Instruction]:
    return [(test, 0, 1, value), (_RETURN, 0, 0, answer)]


def _unless(test: int, value: int, answer: int) -> list[Instruction]:
    return [(test, 1, 0, value), (_RETURN, 0, 0, answer)]


def _only(values: Iterable[int], answer: int) -> list[Instruction]:
    allowed = [each for value in values for each in _when(_EQUAL, value, ALLOW)]
    return [*allowed, (_RETURN, 0, 0, answer)]


def _branch(number: int, body: list[Instruction]) -> list[Instruction]:
    """`body` for this call only. It ends by itself, or lets the call pass."""
    whole = [*body, (_RETURN, 0, 0, ALLOW)]
    return [(_EQUAL, 0, len(whole), number), *whole]
