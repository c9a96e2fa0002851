"""Partition sizes. They are written once, when the disk is flashed."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from meso_services.runtime.settings import Model, setting
from meso_services.runtime.sizes import UNITS, Size, format_size

MIB = UNITS["M"]
# One kernel image per slot and a third while an update is written; arm64's has 41 MB.
LEAST = {"esp_size": 128 * MIB, "root_size": 256 * MIB, "state_size": 64 * MIB}
MOST = {"esp_size": 4 << 30, "root_size": 64 << 30, "state_size": 1 << 40}
SLOTS = 2
# The partition table at both ends, and alignment.
TABLE = 2 * MIB


class Storage(Model):
    """`[storage]`."""

    esp_size: Size = setting(
        "256M",
        scope="flash",
        description="Boot partition: boot loader and the kernels of both slots. At least 128M.",
    )
    root_size: Size = setting(
        "512M",
        scope="flash",
        description="Each of the two slots for the verified system. At least 256M; "
        "leave room for later versions.",
    )
    state_size: Size = setting(
        "128M",
        scope="flash",
        description="State partition as flashed, at least 64M. "
        "It grows over the rest of the disk at first boot.",
    )
    disk_size: Size | None = setting(
        None,
        scope="flash",
        description="Smallest disk that the image must fit on. "
        "Given, a layout that does not fit is refused.",
        examples=["8G"],
    )

    @field_validator("esp_size", "root_size", "state_size")
    @classmethod
    def _within_bounds(cls, size: int, info: ValidationInfo) -> int:
        least, most = LEAST[str(info.field_name)], MOST[str(info.field_name)]
        if not least <= size <= most or size % MIB:
            raise PydanticCustomError(
                "size",
                "is too small, too large, or no whole number of megabytes",
                {"allowed": f"{format_size(least)} to {format_size(most)}, in steps of 1M"},
            )
        return size

    @field_validator("disk_size")
    @classmethod
    def _all_fits(cls, disk: int | None, info: ValidationInfo) -> int | None:
        need = _needed(info.data)
        if disk is not None and need is not None and need > disk:
            raise PydanticCustomError(
                "size",
                "is smaller than the partitions: {sum}",
                {
                    "sum": "boot, two slots with their hashes, state: " + format_size(need),
                    "allowed": f"at least {format_size(need)}, or smaller partitions",
                },
            )
        return disk

    def needed(self) -> int:
        """Bytes of the smallest disk that the image fits on."""
        return _sum(self.esp_size, self.root_size, self.state_size)


def _needed(sizes: dict[str, Any]) -> int | None:
    """`needed` while the table is being validated; None if a size was refused already."""
    if not set(LEAST) <= set(sizes):
        return None
    return _sum(sizes["esp_size"], sizes["root_size"], sizes["state_size"])


def _sum(esp: int, root: int, state: int) -> int:
    """As images/layout.nix lays out; a test compares."""
    # 4096 bytes of hashes per 127 blocks of data, and 1 MiB for the upper levels.
    hashes = -(-(root // 127) // MIB) * MIB + MIB
    return esp + SLOTS * (root + hashes) + state + TABLE
