"""The kernel package: vmlinuz, and the modules as a layer with their indexes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lib import deb, tar
from lib.step import fail, output, read_spec, tool, work, write_json

# What no appliance of ours drives. Fewer modules are less to index, to ship and to attack.
_PRUNE = re.compile(
    r"usr/lib/modules/[^/]+/kernel/(?:"
    r"sound/|samples/"
    r"|drivers/(?:media|comedi|staging|infiniband|isdn|accel|atm|parport|pcmcia|gpib|iio"
    r"|video/fbdev|net/(?:wireless|wan|can|hamradio|arcnet|ieee802154|fddi)"
    r"|gpu/drm/(?:amd|nouveau|radeon|xe|i915|gma500|vmwgfx)|input/(?:joystick|touchscreen)"
    r"|scsi/(?:lpfc|qla2xxx|bfa|be2iscsi|qla4xxx|aic7xxx|elx)|mtd|firewire|most|w1|rapidio)/"
    r"|fs/(?:ocfs2|gfs2|afs|ceph|coda|hfs|hfsplus|jfs|minix|nilfs2|omfs|orangefs|qnx4|qnx6|reiserfs"
    r"|smb|sysv|ubifs|ufs|9p|befs|bfs|efs|erofs_test|freevxfs|jffs2|dlm|nfsd)/"
    r"|net/(?:atm|ax25|batman-adv|bluetooth|can|dccp|ieee802154|lapb|mac80211|mac802154|netrom"
    r"|nfc|phonet|rds|rose|rxrpc|sctp|tipc|wireless|x25|appletalk|6lowpan|smc|mpls|ncsi|ceph|9p)/"
    r")"
)


@dataclass(frozen=True)
class Spec:
    """`deb` is the path of the kernel's package."""

    deb: str


def _extract(entries: dict[str, tar.Entry], top: Path) -> None:
    for entry in entries.values():
        if entry.kind == "file":
            path = top / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.data)


def _index(modules: dict[str, tar.Entry], symbols: bytes, version: str) -> dict[str, tar.Entry]:
    """What depmod makes of the modules that are left."""
    top = work("modules")
    _extract(modules, top)
    (top / "lib").symlink_to("usr/lib")
    (top / "System.map").write_bytes(symbols)
    tool("depmod", "-b", top, "-F", top / "System.map", version)
    folder = f"usr/lib/modules/{version}"
    made = sorted((top / folder).glob("modules.*"))
    return {
        path: tar.file(path, one.read_bytes()) for one in made if (path := f"{folder}/{one.name}")
    }


def main() -> None:
    """Writes vmlinuz, modules.tar, version and copyright."""
    spec, out = read_spec(Spec), output()
    entries = {one.path: one for one in tar.read(deb.data(Path(spec.deb), threads=2)) if one.path}
    kernels = [path for path in entries if path.startswith("boot/vmlinuz-")]
    if len(kernels) != 1:
        fail(f"{Path(spec.deb).name} holds {len(kernels)} kernels instead of one")
    version = kernels[0].removeprefix("boot/vmlinuz-")
    modules = {
        path: one
        for path, one in entries.items()
        if path.startswith(f"usr/lib/modules/{version}/") and not _PRUNE.match(path)
    }
    (out / "vmlinuz").write_bytes(entries[kernels[0]].data)
    modules |= _index(modules, bytes(entries[f"boot/System.map-{version}"].data), version)
    tar.write(out / "modules.tar", tar.with_parents(modules).values())
    notices = {path: one for path, one in entries.items() if path.endswith("/copyright")}
    tar.write(out / "notices.tar", notices.values())
    write_json(out / "kernel.json", {"schema": 1, "version": version})
