"""`meso secret`: the API keys that the proxy uses."""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from meso_cli.actions import Action, add, nothing, service
from meso_cli.output import CliError, Output, table
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.secrets import SecretList

PAGE = Page(
    text="""
Keys of model providers and registries. They are encrypted under a key of this
device, used by the API proxy alone, and never shown again. An upstream refers to
one by name: credential = "meso.NAME".

A value is typed at a prompt or comes on standard input; it is never an argument,
where the process table and the shell's history would keep it. A new value counts
from the next request on; nothing restarts.

Secrets stay on the device: no backup holds them. Without a TPM the key that
guards them lies on the same disk (`meso secret list` says so).
""",
    examples=(
        ("meso secret set anthropic", "asks for the value"),
        ("meso secret set anthropic --host operator@reef < key.txt", "from a file, over ssh"),
        ("meso secret rotate anthropic", "replace it; fails if there is none"),
        ("meso secret list", "names and dates, and what guards them"),
        ("meso secret delete anthropic", "at once and for good"),
    ),
)
PROTECTION = {
    "tpm2": "bound to this machine's TPM",
    "host": "bound to a key on the same disk: whoever has the disk can read them (no TPM)",
    "passed": "bound to a credential that the machine is started with",
    "none": "no key: nothing can be kept (`systemctl status meso-device-key`)",
}


@dataclass(frozen=True, slots=True)
class Put:
    """A value to keep, read when it runs. `rotate`: there must be one already."""

    name: str
    rotate: bool


@dataclass(frozen=True, slots=True)
class ListAll:
    """Every secret."""


@dataclass(frozen=True, slots=True)
class Delete:
    """A secret to forget; `dry` only says whether there is one."""

    name: str
    dry: bool


Request = Put | ListAll | Delete


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def _delete(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted")


ACTIONS = (
    Action("set", "keep a value under a name", _named),
    Action("rotate", "replace the value of a name", _named),
    Action("list", "names and dates, never values", nothing),
    Action("delete", "forget a value", _delete),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "list":
            return ListAll()
        case "delete":
            return Delete(arguments.name, arguments.dry_run)
        case action:
            return Put(arguments.name, action == "rotate")


def run(request: Request, output: Output) -> int:
    """Call the API proxy."""
    from meso_services.contract import secrets as wire  # noqa: PLC0415

    with service("api-proxy") as proxy:
        match request:
            case Put(name, rotate):
                wanted = wire.SetSecret(value=_value(name), mode="rotate" if rotate else "set")
                kept = proxy.put(f"/v1/secrets/{name}", wanted, wire.SecretInfo)
                output.result(kept.model_dump(mode="json"), f"{kept.name} is set")
            case ListAll():
                found = proxy.get("/v1/secrets", wire.SecretList)
                output.result(found.model_dump(mode="json"), _shown(found))
            case Delete(name, True):
                known = proxy.get("/v1/secrets", wire.SecretList).secrets
                there = any(one.name == name.removeprefix("meso.") for one in known)
                text = f"{name} would be deleted" if there else f"there is no secret {name}"
                output.result({"name": name, "deleted": False, "there": there}, text)
            case Delete(name, _):
                gone = proxy.delete(f"/v1/secrets/{name}", wire.SecretGone)
                text = f"{name} is deleted" if gone.deleted else f"there was no secret {name}"
                output.result(gone.model_dump(mode="json"), text)
            case _:
                assert_never(request)
    return 0


def _value(name: str) -> str:
    if sys.stdin.isatty():
        value = getpass.getpass(f"Value of {name} (not shown): ")
    else:
        value = sys.stdin.read(65536)
    value = value.strip("\r\n")
    if not value:
        raise CliError("secret.empty", "no value was given.", hint="Type it, or send it on stdin.")
    return value


def _shown(found: SecretList) -> str:
    rows = [
        (one.name, one.set_at.isoformat(timespec="seconds"), str(one.rotations))
        for one in found.secrets
    ]
    shown = table(rows, ("NAME", "SET", "ROTATIONS")) if rows else "no secret"
    return f"{shown}\n{PROTECTION[found.protection]}"
