"""The proxy on a booted machine: who reaches the network, and where a secret can be found."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_host.vm.disk import read_image
from meso_host.vm.lab import LabMachine

# Tries every way out that a program has; prints one word for each.
TRY = """
import json, socket, sys
def tried(family, kind, address):
    try:
        with socket.socket(family, kind) as s:
            s.settimeout(3)
            s.connect(address)
            if kind == socket.SOCK_DGRAM:
                s.send(b"x")
        return "open"
    except OSError as problem:
        return type(problem).__name__
S, D = socket.SOCK_STREAM, socket.SOCK_DGRAM
print(json.dumps({
    "own": tried(socket.AF_INET, S, ("10.0.2.15", 22)),
    "tcp": tried(socket.AF_INET, S, ("10.0.2.2", 22)),
    "tcp6": tried(socket.AF_INET6, S, ("fec0::2", 22)),
    "udp": tried(socket.AF_INET, D, ("10.0.2.3", 53)),
}))
"""
# The value is made on the machine, so that no command line ever held it.
MAKE = "import hashlib; print(hashlib.sha256(b'meso vm secret').hexdigest()[:40], end='')"
VALUE = hashlib.sha256(b"meso vm secret").hexdigest()[:40]
UPSTREAM = """
import http.server, pathlib
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        pathlib.Path("/run/meso-test-seen").write_text(self.headers.get("x-api-key", ""))
        self.send_response(200); self.send_header("content-type", "application/json")
        body = b'{"id":"m","usage":{"input_tokens":3,"output_tokens":2}}'
        self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 8099), H).serve_forever()
"""


def python(machine: LabMachine, text: str, user: str = "root") -> str:
    return machine.run(f"python3 -I -c {shlex.quote(text)}", user=user, check=True).stdout


def units(machine: LabMachine) -> list[str]:
    """Every service of ours that runs as a user of its own."""
    found = machine.run(
        "cd /usr/lib/systemd/system && grep -lE '^User=meso-' meso-*.service", check=True
    )
    return found.stdout.split()


def test_no_other_service_can_open_a_connection(machine: LabMachine) -> None:
    """Each unit with every directive that it has, but another program to run."""
    names = units(machine)
    assert {"meso-tool-executor.service", "meso-api-proxy.service"} <= set(names)
    place = "/run/systemd/system"
    script = (
        f"mkdir -p /run/meso-try && chmod 755 /run/meso-try && mkdir -p {place}; "
        f"printf %s {shlex.quote(TRY)} > /run/meso-try/try.py; "
        f"for unit in {' '.join(names)}; do "
        "sed -E -e 's|^ExecStart=.*|ExecStart=/usr/bin/python3 -I /run/meso-try/try.py|' "
        "-e 's|^Type=.*|Type=oneshot|' "
        "-e '/^(Restart|WatchdogSec|NotifyAccess|Exec(Stop|Reload))/d' "
        "-e '/^(Requires|PartOf|Wants|After|WantedBy|DelegateSubgroup|Delegate)=/d' "
        "-e '/^\\[Service\\]/a StandardOutput=truncate:/run/meso-try/'$unit'.out' "
        f"/usr/lib/systemd/system/$unit > {place}/try-$unit; done; systemctl daemon-reload; "
        "for unit in " + " ".join(names) + "; do systemctl start --no-block try-$unit; done; "
        "for i in $(seq 60); do ls /run/meso-try/*.out 2>/dev/null | xargs -r grep -L udp "
        f"| grep -q . || [ $(ls /run/meso-try/*.out | wc -l) -lt {len(names)} ] || break; "
        "sleep 1; done; for unit in " + " ".join(names) + "; do "
        "echo $unit $(cat /run/meso-try/$unit.out); done"
    )
    try:
        said = machine.run(script, timeout=180).stdout
    finally:
        machine.run(
            f"rm -rf /run/meso-try {place}/try-meso-*; systemctl daemon-reload; "
            "systemctl reset-failed 'try-*'"
        )
    found = {line.split()[0]: json.loads(line.partition(" ")[2] or "{}")
             for line in said.splitlines()}  # fmt: skip
    assert set(found) == set(names)
    proxy = found.pop("meso-api-proxy.service")
    for name, ways in found.items():
        assert ways, f"{name} said nothing"
        assert "open" not in ways.values(), (name, ways)
    # The proxy: the machine itself and its ports, nothing else, and that at once.
    assert proxy["own"] == "open"
    assert proxy["tcp"] == "ConnectionRefusedError"
    assert proxy["udp"] == "PermissionError"


def test_the_egress_door_is_there_and_says_no(machine: LabMachine) -> None:
    """To a stranger without a token, and to a user who may not ask for grants."""
    assert machine.run("stat -c '%U %G %a' /run/meso/egress.sock").stdout.split() == [
        *("root", "meso", "660")
    ]
    ask = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/meso/egress.sock');"
        "s.sendall(b'CONNECT example.org:443 HTTP/1.1\\r\\n\\r\\n'); print(s.recv(4096).decode())"
    )
    assert python(machine, ask, user="operator").startswith("HTTP/1.1 407 ")
    grant = (
        "import httpx; t = httpx.HTTPTransport(uds='/run/meso/api-proxy.sock');"
        "print(httpx.Client(transport=t).post('http://m/v1/egress/grants', json={'caller': 'x',"
        "'hosts': ['example.org'], 'seconds': 5}).text)"
    )
    assert "egress.not_granter" in python(machine, grant, user="operator")


@pytest.fixture
def with_upstream(machine: LabMachine) -> Iterator[LabMachine]:
    """The shared machine with an upstream on its own loopback; afterwards as it was."""
    kept = machine.run("readlink -f /run/meso/current", check=True).stdout.strip()
    settings = {
        "upstreams": [
            {
                "name": "near",
                "kind": "anthropic",
                "url": "http://127.0.0.1:8099",
                "credential": "meso.near",
            }
        ]
    }
    machine.run(
        f"cp -r {kept} /run/meso-test-generation && chmod -R u+w /run/meso-test-generation && "
        f"printf %s {shlex.quote(json.dumps(settings))} "
        "> /run/meso-test-generation/config/api-proxy.json && "
        "ln -sfn /run/meso-test-generation /run/meso/current && "
        "systemd-run -q --unit=meso-test-upstream python3 -I -c " + shlex.quote(UPSTREAM) + " && "
        "systemctl reload meso-api-proxy",
        check=True,
    )
    yield machine
    machine.run(
        f"ln -sfn {kept} /run/meso/current; systemctl reload meso-api-proxy; "
        "systemctl stop meso-test-upstream; rm -rf /run/meso-test-generation /run/meso-test-seen"
    )


def secret(machine: LabMachine, *words: str) -> Any:
    command = shlex.join(["meso", "secret", *words, "--json"])
    return json.loads(machine.run(command, user="operator", check=True).stdout)


def test_a_secret_is_used_and_cannot_be_found(with_upstream: LabMachine) -> None:
    """Set, used for a request, rotated, and then looked for everywhere on the machine."""
    machine = with_upstream
    listed = secret(machine, "list")
    assert listed["protection"] in ("host", "tpm2")
    make = f"python3 -I -c {shlex.quote(MAKE)}"
    machine.run(f"{make} | meso secret set near", user="operator", check=True)
    machine.run(f"{make} | meso secret rotate near", user="operator", check=True)
    try:
        ask = (
            "import httpx; t = httpx.HTTPTransport(uds='/run/meso/api-proxy.sock', retries=0);"
            "r = httpx.Client(transport=t, timeout=60).post('http://m/v1/messages',"
            "json={'model': 'x', 'max_tokens': 5, 'messages': []}); print(r.status_code, r.text)"
        )
        said = python(machine, ask, user="operator")
        assert said.startswith("200 "), said
        seen = machine.run("cat /run/meso-test-seen; rm -f /run/meso-test-seen").stdout
        assert seen == VALUE
        assert [one["name"] for one in secret(machine, "list")["secrets"]] == ["near"]
        assert found_at(machine) == ""
        # Nor in any block that the machine has written since it was made, deleted ones too.
        machine.run("sync", check=True)
        for written in (machine.disk, read_image(machine.plan.image).disk):
            assert not holds(written, VALUE.encode()), written
        cores = machine.run(
            "cat /proc/$(systemctl show -P MainPID meso-api-proxy)/limits; "
            "sysctl fs.suid_dumpable; ls /var/lib/systemd/coredump 2>/dev/null | wc -l"
        ).stdout
        assert "Max core file size        0                    0" in cores
        assert "fs.suid_dumpable = 0" in cores
        assert cores.splitlines()[-1] == "0"
    finally:
        secret(machine, "delete", "near")


def holds(place: Path, value: bytes) -> bool:
    """True if the bytes stand anywhere in the file. A qcow2 disk keeps what was written as it
    was; a value that two of its clusters share would be missed."""
    last = b""
    with place.open("rb") as file:
        while piece := file.read(16 << 20):
            if value in last + piece:
                return True
            last = piece[-len(value) :]
    return False


def found_at(machine: LabMachine) -> str:
    """Where the value stands: journal, state, run-time files, image, processes. The words that
    look for it are made inside the process that looks, so it does not find itself."""
    look = """
import hashlib, os, pathlib, subprocess
value = hashlib.sha256(b'meso vm secret').hexdigest()[:40].encode()
found = []
def look(path):
    try:
        with open(path, 'rb', buffering=0) as f:
            last = b''
            while data := f.read(1 << 20):
                if value in last + data:
                    found.append(str(path)); return
                last = data[-64:]
    except OSError:
        pass
for top in ('/state', '/run', '/tmp', '/var/tmp', '/etc', '/usr/share/meso', '/usr/lib/systemd'):
    for place, dirs, names in os.walk(top):
        if 'credentials' in dirs: dirs.remove('credentials')
        for name in names:
            path = pathlib.Path(place, name)
            if path.is_file() and not path.is_symlink(): look(path)
for process in pathlib.Path('/proc').glob('[0-9]*'):
    for name in ('cmdline', 'environ', 'comm'): look(process / name)
journal = subprocess.run(['journalctl', '--no-pager', '-o', 'export'], capture_output=True).stdout
if value in journal: found.append('journal')
print(' '.join(found))
"""
    machine.run("journalctl --sync")
    return python(machine, look).strip()


def test_the_devices_key_is_sealed_and_only_for_root(machine: LabMachine) -> None:
    facts = machine.run(
        "stat -c '%U %a' /var/lib/meso/device /var/lib/meso/device/meso.secrets-key.cred "
        "/var/lib/systemd/credential.secret; "
        "wc -c < /run/credentials/meso-api-proxy.service/meso.secrets-key; "
        "systemctl is-active meso-device-key",
        check=True,
    ).stdout.split()
    assert facts == ["root", "700", "root", "600", "root", "400", "32", "active"]
