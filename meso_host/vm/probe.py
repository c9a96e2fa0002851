"""Two test guests that tell whether an accelerator works, from cheap to true.

The tiny guest enters 64-bit mode with paging, computes a little, and switches itself
off: milliseconds, and it finds a `/dev/kvm` that opens and then aborts or hangs. The
second is a whole machine as `meso vm` makes it, with an empty disk: the real firmware
runs the odd instructions of 16- and 32-bit mode that some hypervisors below this
computer cannot emulate, on more than one processor, and has spoken within seconds.
"""

from __future__ import annotations

import struct
import tempfile
import time
from pathlib import Path

from meso_host.errors import HostError
from meso_host.vm import firmware
from meso_host.vm.console import Console
from meso_host.vm.files import Files
from meso_host.vm.firmware import Firmware
from meso_host.vm.machine import Arch, Machine, RawDisk, Start, arguments, processor
from meso_host.vm.qmp import Qmp
from meso_services.runtime import process

TINY_SECONDS = 10.0
# Under software emulation it speaks after some 5 s on an idle processor.
FIRMWARE_SECONDS = 30.0

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


def proves(arch: Arch, accelerator: str) -> bool:
    """True when both guests run here under `accelerator`. Raises HostError without firmware."""
    found = firmware.find(arch)
    return tiny_runs(arch, accelerator) and firmware_speaks(arch, accelerator, found)


def tiny_runs(arch: Arch, accelerator: str, seconds: float = TINY_SECONDS) -> bool:
    """Run the tiny guest; True when it ran to its end in time."""
    with tempfile.TemporaryDirectory(prefix="meso-probe-") as name:
        file = Path(name) / "guest.bin"
        file.write_bytes(tiny(arch))
        try:
            argv = tiny_command(arch, accelerator, file)
            result = process.run(argv, timeout=seconds, check=False)
        except process.CommandError:
            return False
    return result.status == EXPECTED[arch]


def tiny(arch: Arch) -> bytes:
    """The tiny guest's disk or memory contents."""
    if arch == "x86_64":
        return X86_CODE.ljust(510, b"\0") + b"\x55\xaa"
    return ARM_CODE


def tiny_command(arch: Arch, accelerator: str, file: Path) -> list[str]:
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


def firmware_speaks(
    arch: Arch, accelerator: str, found: Firmware, seconds: float = FIRMWARE_SECONDS
) -> bool:
    """Power on the machine that `meso vm` would; True when its firmware says something on
    the console within `seconds` and QEMU still runs it then."""
    with tempfile.TemporaryDirectory(prefix="meso-probe-") as name:
        files = Files(Path(name))
        firmware.copy_variables(found, files.variables)
        (files.directory / "disk.raw").write_bytes(b"\0" * (1 << 20))
        start = Start(accelerator, found.code, 0, RawDisk(), {})
        argv = arguments(Machine(arch, nic="none"), start)
        child = process.start(argv, cwd=files.directory)
        try:
            end = time.monotonic() + seconds
            while child.poll() is None and time.monotonic() < end and _runs(files):
                if Console(files.console, start=0).last():
                    return True
                time.sleep(0.1)
        finally:
            child.kill()
            child.wait()
    return False


def _runs(files: Files) -> bool:
    control = files.directory / "qmp.sock"
    if not control.exists():
        return True
    try:
        with Qmp(control, timeout=5) as qmp:
            return bool(qmp.execute("query-status")["running"])
    except (HostError, OSError):
        return False
