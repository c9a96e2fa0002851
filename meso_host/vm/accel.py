"""Which acceleration truly runs a guest here.

`/dev/kvm` may open and then abort, hang or misread a guest, so test guests prove it
(`probe`). The answer is kept until the computer restarts, or QEMU or the firmware
changes. A machine that fails under hardware acceleration all the same replaces it.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from meso_host.setup import tree
from meso_host.vm import firmware, probe
from meso_host.vm.machine import Arch

SOFTWARE = "tcg,thread=multi"
HARDWARE = "kvm"
# Raised when the probe asks for more: answers to an easier question are not believed.
SCHEMA = 2


def choose(arch: Arch) -> str:
    """QEMU's word for the acceleration to use; asks the cached answer first.

    Raises HostError when there is no firmware to try it with.
    """
    if arch != tree.processor() or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return SOFTWARE
    known = _read()
    key = _key(arch)
    if key not in known:
        known[key] = HARDWARE if probe.proves(arch, HARDWARE) else SOFTWARE
        _write(known)
    return known[key]


def distrust(arch: Arch) -> None:
    """A machine failed under hardware acceleration: software from now on, until the
    computer restarts, or QEMU or the firmware changes, or the file is removed."""
    _write(_read() | {_key(arch): SOFTWARE})


def is_hardware(accelerator: str) -> bool:
    """True when the computer's own processor runs the guest."""
    return bool(accelerator) and not accelerator.startswith("tcg")


def cache() -> Path:
    """Where the answers are kept."""
    return tree.STATE / "acceleration.json"


def _key(arch: Arch) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    program = shutil.which(f"qemu-system-{arch}")
    files = [Path(program)] if program else []
    files.append(firmware.find(arch).code)
    return " ".join([boot, arch, *(str(file.stat().st_mtime_ns) for file in files)])


def _read() -> dict[str, str]:
    try:
        kept = json.loads(cache().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict) or kept.get("schema") != SCHEMA:
        return {}
    answers = kept.get("answers")
    return answers if isinstance(answers, dict) else {}


def _write(answers: dict[str, str]) -> None:
    file = cache()
    file.parent.mkdir(exist_ok=True)
    half = file.with_name(f"{file.name}.{os.getpid()}")
    half.write_text(json.dumps({"schema": SCHEMA, "answers": answers}), encoding="utf-8")
    half.replace(file)
