"""Which system calls the sandbox refuses, with their numbers (x86_64, aarch64) and the reason.

Docker's and systemd's lists were looked at; what they refuse by missing capabilities is
refused here by name as well, so that a slip in one wall is not a hole.
"""

from __future__ import annotations

from typing import Final

Numbers = tuple[int | None, int | None]

# No honest program calls these without privileges: the caller is killed, and that is recorded.
KILLED: Final[dict[str, Numbers]] = {
    # another view of the file system
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),  # a file by its number, past every directory
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    # another process's namespaces or memory
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    # the kernel's own code and keys
    "bpf": (321, 280),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # the machine
    "reboot": (169, 142),
    "iopl": (172, None),
    "ioperm": (173, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "vhangup": (153, 58),
    # long dead, or for the 16-bit code of Windows emulators
    "nfsservctl": (180, 42),
    "lookup_dcookie": (212, 18),
    "uselib": (134, None),
    "_sysctl": (156, None),
    "sysfs": (139, None),
    "modify_ldt": (154, None),
}
# Debuggers, browsers and virtual machines try these and go on without: EPERM.
REFUSED: Final[dict[str, Numbers]] = {
    "ptrace": (101, 117),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "name_to_handle_at": (303, 264),
    "process_madvise": (440, 440),
    "syslog": (103, 116),
    "userfaultfd": (323, 282),  # holds the kernel still in the middle of a copy
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
}
# As on a kernel without them: ENOSYS, and the C library takes the older call, which can be judged.
ABSENT: Final[dict[str, Numbers]] = {
    "io_uring_setup": (425, 425),  # its requests pass no seccomp filter at all
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clone3": (435, 435),  # its flags lie in memory, where no filter can look
    "openat2": (437, 437),  # so does its mode
    "memfd_secret": (447, 447),
}
# Judged by an argument.
CLONE: Final[Numbers] = (56, 220)
UNSHARE: Final[Numbers] = (272, 97)
IOCTL: Final[Numbers] = (16, 29)
SOCKET: Final[Numbers] = (41, 198)
PERSONALITY: Final[Numbers] = (135, 92)
# Calls that can make a file setuid or setgid, and which argument holds the mode.
MODES: Final[dict[str, tuple[Numbers, int]]] = {
    "chmod": ((90, None), 1),
    "fchmod": ((91, 52), 1),
    "fchmodat": ((268, 53), 2),
    "fchmodat2": ((452, 452), 2),
    "mknod": ((133, None), 1),
    "mknodat": ((259, 33), 2),
    "creat": ((85, None), 1),
}
# The same, where the mode counts only if the file is made (O_CREAT in the flags before it).
OPENS: Final[dict[str, tuple[Numbers, int]]] = {
    "open": ((2, None), 2),
    "openat": ((257, 56), 3),
}
