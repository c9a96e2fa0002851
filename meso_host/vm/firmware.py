"""UEFI firmware for virtual machines: where distributions put it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from meso_host.errors import HostError
from meso_host.vm.machine import Arch


@dataclass(frozen=True, slots=True)
class Firmware:
    """`code` is read-only and shared, `variables` is the template of a machine's own."""

    code: Path
    variables: Path


# The first pair that is there is taken. Debian; Fedora; Arch.
PLACES: dict[Arch, tuple[tuple[str, str], ...]] = {
    "x86_64": (
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ),
    "aarch64": (
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        (
            "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
            "/usr/share/edk2/aarch64/vars-template-pflash.raw",
        ),
    ),
}


def find(arch: Arch) -> Firmware:
    """The firmware for `arch`. Raises HostError when there is none."""
    for code, variables in PLACES[arch]:
        if Path(code).is_file() and Path(variables).is_file():
            return Firmware(Path(code), Path(variables))
    package = {"x86_64": "ovmf", "aarch64": "qemu-efi-aarch64"}[arch]
    raise HostError(
        "vm.no_firmware",
        f"no UEFI firmware for {arch} is installed.",
        remedy=f"Debian's package is {package}; looked for {PLACES[arch][0][0]} and others.",
    )


def copy_variables(firmware: Firmware, to: Path) -> None:
    """A machine's own variables, empty as the maker ships them."""
    shutil.copyfile(firmware.variables, to)
