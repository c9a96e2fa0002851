"""A mind that thinks on a booted machine: mind runner, API proxy and embedding unit together."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from meso_host.vm.lab import LabMachine

# Answers chat completions on the machine's own loopback, each time about another thing.
UPSTREAM = """
import http.server, json
SAYS = ["The pond freezes from its edge.", "Roses are cut in late winter.", "Compost wants air."]
class H(http.server.BaseHTTPRequestHandler):
    count = 0
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        n, H.count = H.count, H.count + 1
        text = "thoughts:\\n" + "".join(f"  - {s} {w}\\n" for s in SAYS for w in ("Again.", "So."))
        if n % 3 == 2:
            text += "messages:\\n  - to: user\\n    text: The garden is asleep.\\n"
        body = json.dumps({"id": "c", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}}).encode()
        self.send_response(200); self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 8097), H).serve_forever()
"""


@pytest.fixture
def with_model(machine: LabMachine) -> Iterator[LabMachine]:
    """The shared machine with a model on its own loopback; afterwards as it was."""
    kept = machine.run("readlink -f /run/meso/current", check=True).stdout.strip()
    place = "/run/meso-minds-generation"
    settings = {
        "upstreams": [{"name": "near", "kind": "openai", "url": "http://127.0.0.1:8097"}],
    }
    machine.run(
        f"cp -r {kept} {place} && chmod -R u+w {place} && "
        f"printf %s {shlex.quote(json.dumps(settings))} > {place}/config/api-proxy.json && "
        f"ln -sfn {place} /run/meso/current && "
        f"systemd-run -q --unit=meso-minds-upstream python3 -I -c {shlex.quote(UPSTREAM)} && "
        "systemctl reload meso-api-proxy",
        check=True,
    )
    yield machine
    machine.run(
        f"ln -sfn {kept} /run/meso/current; systemctl reload meso-api-proxy; "
        f"systemctl stop meso-minds-upstream; rm -rf {place} /tmp/pictures"
    )


def mind(machine: LabMachine, *words: str) -> Any:
    """`meso mind --service` on the mind `grove`, as the operator; the last JSON that it prints."""
    command = shlex.join(["meso", "mind", "--service", "--session", "grove", *words, "--json"])
    said = machine.run(command, user="operator", check=True, timeout=300).stdout
    try:
        return json.loads(said)
    except ValueError:
        return json.loads(said.splitlines()[-1])


def test_a_mind_thinks_through_the_units(with_model: LabMachine) -> None:
    """It runs until it speaks, clusters what the local model embedded, and can be looked at."""
    machine = with_model
    mind(machine, "init", "grove", "--offline", "How is the garden?")
    assert mind(machine, "run")["messages"] == [{"to": "user", "text": "The garden is asleep."}]
    mind(machine, "message", "And the pond?")
    mind(machine, "run", "2")
    status = mind(machine, "status")
    assert (status["iteration"], status["thinking_pool"]["thoughts"]) == (5, 30)
    assert status["config"]["embedding_model"] == "local/all-MiniLM-L6-v2"
    assert status["clusters"] >= 1
    assert sum(row["size"] for row in mind(machine, "cluster", "status")) > 0
    assert mind(machine, "analyze", "attractors")[0]["size"] > 0
    written = mind(machine, "plot", "/tmp/pictures")["files"]
    sizes = machine.run(f"stat -c %s {shlex.join(written)}", check=True).stdout.split()
    assert len(sizes) == 5
    assert min(map(int, sizes)) > 1000
    # An auditor starts within the unit's own bounds, and what it finds is in the audit.
    note = json.dumps({"level": "note", "text": "seen"})
    auditor = shlex.join(["python3", "-I", "-c", f"print({note!r})"])
    mind(machine, "config", "--set", f"auditors={json.dumps([auditor, 'no.such:thing'])}")
    stepped = mind(machine, "step", "--debug")
    assert ["No module named" in alert for alert in stepped["alerts"]] == [True, True]
    lines = [line for line in mind(machine, "history") if line["what"] == "audit"]
    assert [line["content"]["text"] for line in lines if "text" in line["content"]].count(
        "seen"
    ) == 2
    assert mind(machine, "calibrate")["set_now"] == 0.65
    assert machine.run("systemctl is-active meso-embed").stdout.strip() == "active"
