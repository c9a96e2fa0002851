"""Restarts the machine or powers it off for an operator: `python3 -m meso_services.boot.power`.

systemd starts it when somebody connects to /run/meso/power.sock; it goes when
nobody has for a while. One line of JSON each way:
`{"action": "reboot" | "poweroff", "check": bool}`, answered with
`{"action", "accepted"}` or the error shape of the services. With `check` nothing
happens: it only says whether the caller may. No polkit, no sudo: the kernel says
who calls.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from meso_services.runtime import process
from meso_services.runtime.credentials import OPERATOR, Peer, is_operator, peer_of

ACTIONS = {"reboot": "reboot.target", "poweroff": "poweroff.target"}
LISTENER = 3  # the first descriptor that systemd passes
IDLE_SECONDS = 20.0
TALK_SECONDS = 5.0
# From the answer to the shutdown: it ends the caller's login, and `meso reboot --host`
# wants to have heard how it went.
GRACE_SECONDS = 5.0
MAX_REQUEST = 1024
NOTICE, WARNING, ERROR = "<5>", "<4>", "<3>"

Act = Callable[[str], None]


def serve(
    listener: socket.socket,
    act: Act,
    idle: float = IDLE_SECONDS,
    grace: float = GRACE_SECONDS,
) -> None:
    """Answer callers, one at a time, until none has come for `idle` seconds; act `grace`
    seconds after the answer."""
    listener.settimeout(idle)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(TALK_SECONDS)
            try:
                action = _talk(connection)
            except OSError as error:
                sys.stdout.write(f"{WARNING}a caller went away: {error}\n")
                action = ""
        sys.stdout.flush()
        if action:
            time.sleep(grace)
            try:
                act(action)
            except process.CommandError as error:
                sys.stdout.write(f"{ERROR}{action}: systemd refused: {error}\n")


def _talk(connection: socket.socket) -> str:
    """Answer one caller; what is to be done then."""
    peer = peer_of(connection)
    answer, action = decide(_line(connection), peer)
    if action:
        sys.stdout.write(f"{NOTICE}{action} asked for by uid {peer.uid if peer else '?'}\n")
    connection.sendall(json.dumps(answer).encode() + b"\n")
    return action


def decide(line: bytes, peer: Peer | None) -> tuple[dict[str, Any], str]:
    """The answer to a request, and the action to take: an empty string for none."""
    try:
        wanted = json.loads(line)
        action, check = wanted["action"], wanted.get("check", False)
        if action not in ACTIONS or not isinstance(check, bool):
            raise ValueError(action)
    except (ValueError, KeyError, TypeError, AttributeError):
        shape = '{"action": "reboot" or "poweroff", "check": true or false}'
        return refusal("power.bad_request", f"the request is not {shape}", "Use `meso reboot`."), ""
    if peer is None or not is_operator(peer):
        who = f"the caller has uid {peer.uid}" if peer else "the caller is not known"
        return refusal(
            "power.not_operator", f"this is for operators; {who}", f"Log in as `{OPERATOR}`."
        ), ""
    return {"action": action, "accepted": not check}, "" if check else action


def refusal(code: str, message: str, hint: str) -> dict[str, Any]:
    """An error in the shape that the services use."""
    return {"error": {"code": code, "message": message, "hint": hint}}


def _line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < MAX_REQUEST:
        chunk = connection.recv(MAX_REQUEST - len(data))
        if not chunk:
            break
        data += chunk
    return data


def go_down(action: str) -> None:
    """Ask systemd to stop every unit in order, then to restart or power off."""
    mode = "--job-mode=replace-irreversibly"
    process.run(["systemctl", "start", "--no-block", mode, ACTIONS[action]], timeout=30)


def main() -> int:
    """The program."""
    serve(socket.socket(fileno=LISTENER), go_down)
    return 0


if __name__ == "__main__":
    sys.exit(main())
