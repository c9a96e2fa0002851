"""A small NBD server for one disk and one client at a time, on a UNIX socket.

The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
Fixed newstyle negotiation with NBD_OPT_GO, simple replies, flush and FUA.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from pathlib import Path

from meso_host.vm.power.disk import SECTOR, VolatileDisk

MAGIC = b"NBDMAGIC"
OPTION = b"IHAVEOPT"
OPTION_REPLY = 0x3E889045565A9
REQUEST = 0x25609513
REPLY = 0x67446698

FIXED_NEWSTYLE = 1
NO_ZEROES = 2

OPT_ABORT = 2
OPT_GO = 7
REP_ACK = 1
REP_INFO = 3
REP_UNSUPPORTED = 2**31 + 1

INFO_EXPORT = 0
INFO_BLOCK_SIZE = 3

HAS_FLAGS = 1
SEND_FLUSH = 4
SEND_FUA = 8

READ = 0
WRITE = 1
DISCONNECT = 2
FLUSH = 3
FUA = 1

LONGEST = 32 * 1024 * 1024


class NbdServer:
    """Serves `disk` at the socket file `path` until `close`."""

    def __init__(self, disk: VolatileDisk, path: Path) -> None:
        self._disk = disk
        self._path = path
        path.unlink(missing_ok=True)
        self._listener = bound(path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                try:
                    _Session(client, self._disk).run()
                except (ConnectionError, EOFError):
                    continue


def bound(path: Path) -> socket.socket:
    """A socket bound to a file of any path length (the kernel takes 107 bytes only)."""
    listener = socket.socket(socket.AF_UNIX)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    return listener


class _Session:
    def __init__(self, client: socket.socket, disk: VolatileDisk) -> None:
        self._client = client
        self._disk = disk

    def run(self) -> None:
        if self._negotiate():
            while self._answer():
                pass

    def _take(self, length: int) -> bytes:
        data = bytearray(length)
        view = memoryview(data)
        while view:
            got = self._client.recv_into(view)
            if not got:
                raise EOFError
            view = view[got:]
        return bytes(data)

    def _negotiate(self) -> bool:
        self._client.sendall(MAGIC + OPTION + struct.pack(">H", FIXED_NEWSTYLE | NO_ZEROES))
        self._take(4)
        while True:
            magic, option, length = struct.unpack(">8sII", self._take(16))
            if magic != OPTION or length > LONGEST:
                return False
            self._take(length)
            if option == OPT_ABORT:
                self._reply(option, REP_ACK)
                return False
            if option != OPT_GO:
                self._reply(option, REP_UNSUPPORTED)
                continue
            flags = HAS_FLAGS | SEND_FLUSH | SEND_FUA
            export = struct.pack(">HQH", INFO_EXPORT, self._disk.size, flags)
            self._reply(option, REP_INFO, export)
            sizes = struct.pack(">HIII", INFO_BLOCK_SIZE, SECTOR, 4096, LONGEST)
            self._reply(option, REP_INFO, sizes)
            self._reply(option, REP_ACK)
            return True

    def _reply(self, option: int, kind: int, data: bytes = b"") -> None:
        head = struct.pack(">QIII", OPTION_REPLY, option, kind, len(data))
        self._client.sendall(head + data)

    def _answer(self) -> bool:
        head = self._take(28)
        magic, flags, kind, handle, offset, length = struct.unpack(">IHH8sQI", head)
        if magic != REQUEST or kind == DISCONNECT:
            return False
        error, data = 0, b""
        body = self._take(length) if kind == WRITE else b""
        if kind in (READ, WRITE) and not self._fits(offset, length):
            error = errno.EINVAL
        elif kind == READ:
            data = self._disk.read(offset, length)
        elif kind == WRITE:
            self._disk.write(offset, body, force=bool(flags & FUA))
        elif kind == FLUSH:
            self._disk.flush()
        else:
            error = errno.EINVAL
        self._client.sendall(struct.pack(">II8s", REPLY, error, handle) + data)
        return True

    def _fits(self, offset: int, length: int) -> bool:
        aligned = offset % SECTOR == 0 and length % SECTOR == 0
        return aligned and offset + length <= self._disk.size and length <= LONGEST
