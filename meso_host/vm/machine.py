"""What a virtual machine is made of, and the QEMU arguments that say so. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Arch = Literal["x86_64", "aarch64"]
DiskBus = Literal["virtio", "nvme", "ahci", "usb"]
Nic = Literal["virtio", "e1000e", "none"]

DISKS: dict[DiskBus, tuple[str, ...]] = {
    "virtio": ("virtio-blk-pci,drive=disk,bootindex=0",),
    "nvme": ("nvme,drive=disk,serial=meso,bootindex=0",),
    "ahci": ("ich9-ahci,id=sata", "ide-hd,drive=disk,bus=sata.0,bootindex=0"),
    "usb": ("qemu-xhci,id=usb", "usb-storage,drive=disk,bus=usb.0,bootindex=0"),
}
# No option ROM: nothing boots from the network, and the firmware does not try to.
NICS: dict[Nic, tuple[str, ...]] = {
    "virtio": ("virtio-net-pci,netdev=net,id=nic,romfile=",),
    "e1000e": ("e1000e,netdev=net,id=nic,romfile=",),
    "none": (),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine. `memory` is in MiB.

    `plugged` is the network cable; QMP can plug it in later. `outside` lets the
    guest reach the world beyond this computer.
    """

    arch: Arch = "x86_64"
    disk_bus: DiskBus = "virtio"
    nic: Nic = "virtio"
    plugged: bool = True
    outside: bool = True
    memory: int = 2048
    cpus: int = 2

    @property
    def virtio(self) -> bool:
        """True when the machine has any virtio device."""
        return "virtio" in (self.disk_bus, self.nic)


@dataclass(frozen=True, slots=True)
class OverlayDisk:
    """A qcow2 file in the machine's directory. `flush` False ignores the guest's flushes."""

    file: str = "disk.qcow2"
    flush: bool = True

    def arguments(self) -> list[str]:
        """QEMU's block device `disk`."""
        cache = "" if self.flush else ",cache.no-flush=on"
        return [
            *("-blockdev", f"driver=file,filename={self.file},node-name=file{cache}"),
            *("-blockdev", f"driver=qcow2,file=file,node-name=disk,discard=unmap{cache}"),
        ]


@dataclass(frozen=True, slots=True)
class RawDisk:
    """A raw file in the machine's directory, which other programs can read and change."""

    file: str = "disk.raw"

    def arguments(self) -> list[str]:
        """QEMU's block device `disk`."""
        return ["-blockdev", f"driver=file,filename={self.file},node-name=disk,discard=unmap"]


@dataclass(frozen=True, slots=True)
class NetworkDisk:
    """A disk that a program serves as NBD on a socket in the machine's directory."""

    socket: str = "disk.sock"

    def arguments(self) -> list[str]:
        """QEMU's block device `disk`."""
        server = f"server.type=unix,server.path={self.socket}"
        return ["-blockdev", f"driver=nbd,{server},export=disk,node-name=disk"]


Disk = OverlayDisk | RawDisk | NetworkDisk


@dataclass(frozen=True, slots=True)
class Start:
    """What a start needs beside the machine itself.

    `accelerator` is QEMU's word (`kvm`, `tcg,thread=multi`), `code` the
    firmware's file, `port` on loopback leads to the guest's ssh, `credentials`
    are handed to systemd in the guest.
    """

    accelerator: str
    code: Path
    port: int
    disk: Disk
    credentials: dict[str, str]


def arguments(machine: Machine, start: Start) -> list[str]:
    """QEMU's whole command line, its program first. It is to run in the machine's directory."""
    argv = [
        f"qemu-system-{machine.arch}",
        *("-name", "meso", "-nodefaults", "-display", "none", "-rtc", "base=utc"),
        *_board(machine, start.accelerator),
        *("-m", str(machine.memory), "-smp", str(machine.cpus)),
        *("-drive", f"if=pflash,format=raw,readonly=on,file={_escape(start.code)}"),
        *("-drive", "if=pflash,format=raw,file=vars.fd"),
        *("-qmp", "unix:qmp.sock,server=on,wait=off"),
        "-chardev",
        "socket,id=console,path=console.sock,server=on,wait=off,logfile=console.log,logappend=on",
        *("-serial", "chardev:console"),
        *start.disk.arguments(),
    ]
    devices = [*DISKS[machine.disk_bus], *NICS[machine.nic]]
    if machine.virtio:
        devices.append("virtio-rng-pci")
    for device in devices:
        argv += ["-device", device]
    argv += _network(machine, start.port)
    for name, value in start.credentials.items():
        argv += ["-smbios", f"type=11,value={credential(name, value)}"]
    return argv


def credential(name: str, value: str) -> str:
    """The SMBIOS string that systemd in the guest takes as the credential `name`."""
    encoded = base64.b64encode(value.encode()).decode()
    return f"io.systemd.credential.binary:{name}={encoded}"


def board(arch: Arch) -> list[str]:
    """The machine type and what belongs to it."""
    match arch:
        case "x86_64":
            return ["-machine", "q35", "-vga", "std"]
        case "aarch64":
            return ["-machine", "virt,gic-version=max"]


# QEMU emulates AVX since 7.2, and wrongly there: numpy's AVX2 argsort gives an order that
# is no permutation in three calls of ten, or crashes (decision 0020). The wheels need
# x86-64-v2, which has no AVX; what the kernel and OpenBLAS use of it they do without.
IMITATED: dict[Arch, str] = {
    "x86_64": "max,avx=off,avx2=off,f16c=off,fma=off,vaes=off",
    "aarch64": "cortex-a72",
}


def processor(arch: Arch, accelerator: str) -> str:
    """The processor model: the real one, or one that QEMU imitates truly and fast."""
    return "host" if accelerator.startswith("kvm") else IMITATED[arch]


def _board(machine: Machine, accelerator: str) -> list[str]:
    # A bigger buffer for translated code: the default throws away what a boot still needs.
    size = ",tb-size=512" if accelerator.startswith("tcg") else ""
    cpu = processor(machine.arch, accelerator)
    return [*board(machine.arch), "-accel", accelerator + size, "-cpu", cpu]


def _network(machine: Machine, port: int) -> list[str]:
    if machine.nic == "none":
        return []
    restrict = "" if machine.outside else ",restrict=on"
    return ["-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22{restrict}"]


def _escape(path: Path) -> str:
    return str(path).replace(",", ",,")
