"""Which acceleration truly runs a guest here.

`/dev/kvm` may open and then abort or hang a guest, so a tiny guest proves it: it
enters 64-bit mode with paging, computes a little, and switches itself off. The
answer is kept until the computer restarts or QEMU changes.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import tempfile
from pathlib import Path

from meso_host.setup import tree
from meso_host.vm.machine import Arch, processor
from meso_services.runtime import process

SOFTWARE = "tcg,thread=multi"
HARDWARE = "kvm"
SECONDS = 10.0

# A boot sector, 158 bytes: real mode, page tables for the first 2 MiB at 0x1000,
# long mode, a loop of a million multiplications, cpuid, then 0x10 to the port 0xf4.
X86_CODE = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007c66bf001000000f22df6631c066b9000c00006766f3ab"
    "66c70600100320000066c70600200330000066c7060030830000000f20e06683c8200f22e0"
    "66b9800000c00f32660d000100000f300f20c0660d010000800f22c00f0116987cea6d7c0800"
    "b940420f006bc021ffc975f931c00fa266baf400b010eef4ebfd"
    "90000000000000000000000000009a20000f00887c0000"
)
# mov w0, #0x84000008 (PSCI system off); hvc #0; b .
ARM_CODE = struct.pack("<4I", 0x52800100, 0x72B08000, 0xD4000002, 0x14000000)
# isa-debug-exit turns the byte written into 2n+1; the other guest switches the machine off.
EXPECTED: dict[Arch, int] = {"x86_64": 0x21, "aarch64": 0}


def choose(arch: Arch) -> str:
    """QEMU's word for the acceleration to use; asks the cached answer first."""
    if arch != tree.processor() or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return SOFTWARE
    cache = tree.STATE / "acceleration.json"
    key = _key(arch)
    known = _read(cache)
    if key not in known:
        known[key] = HARDWARE if proves(arch, HARDWARE) else SOFTWARE
        cache.parent.mkdir(exist_ok=True)
        cache.write_text(json.dumps(known), encoding="utf-8")
    return known[key]


def proves(arch: Arch, accelerator: str, seconds: float = SECONDS) -> bool:
    """Run the tiny guest; True when it ran to its end in time."""
    with tempfile.TemporaryDirectory(prefix="meso-probe-") as name:
        file = Path(name) / "guest.bin"
        file.write_bytes(guest(arch))
        try:
            result = process.run(command(arch, accelerator, file), timeout=seconds, check=False)
        except process.CommandError:
            return False
    return result.status == EXPECTED[arch]


def guest(arch: Arch) -> bytes:
    """The tiny guest's disk or memory contents."""
    if arch == "x86_64":
        return X86_CODE.ljust(510, b"\0") + b"\x55\xaa"
    return ARM_CODE


def command(arch: Arch, accelerator: str, file: Path) -> list[str]:
    """QEMU's command line for the tiny guest."""
    argv = [f"qemu-system-{arch}", "-accel", accelerator, "-cpu", processor(arch, accelerator)]
    argv += ["-m", "64", "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot"]
    if arch == "x86_64":
        return [
            *(*argv, "-machine", "pc"),
            *("-device", "isa-debug-exit,iobase=0xf4,iosize=1"),
            *("-drive", f"file={file},format=raw,if=ide"),
        ]
    return [*argv, "-machine", "virt", "-device", f"loader,file={file},addr=0x40200000,cpu-num=0"]


def _key(arch: Arch) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    program = shutil.which(f"qemu-system-{arch}")
    changed = Path(program).stat().st_mtime_ns if program else 0
    return f"{boot} {arch} {changed}"


def _read(cache: Path) -> dict[str, str]:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
