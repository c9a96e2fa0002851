"""The root of the configuration: one appliance, one file."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from meso_services.config.boards import SYSTEM_OF, Board, System
from meso_services.config.boot import Boot
from meso_services.config.firewall import Firewall
from meso_services.config.host import Hostname, Timezone
from meso_services.config.journal import Journal
from meso_services.config.network import Network
from meso_services.config.notify import Notify
from meso_services.config.services import Services
from meso_services.config.storage import Storage
from meso_services.config.users import Users
from meso_services.runtime.settings import Model, setting, table
from meso_services.tool_executor.policy.settings import Policy

SCHEMA = 1


class Appliance(Model):
    """`configs/NAME.toml`."""

    # `schema` itself is a method of pydantic's BaseModel.
    schema_: Literal[1] = setting(
        alias="schema", scope="image", description="Version of this file's format."
    )
    hostname: Hostname = setting(
        description="The machine's name, also on the local network.", examples=["meso"]
    )
    base: Literal["debian"] = setting(
        "debian", scope="image", description="Distribution that the image is made of."
    )
    board: Board = setting(scope="flash", description="Hardware that the image is for.")
    system: System = setting(
        scope="flash", description="Processor architecture of the board, as Nix writes it."
    )
    locale: Literal["C.UTF-8"] = setting(
        "C.UTF-8",
        scope="image",
        description="Language of messages. The Debian base carries this one only.",
    )
    timezone: Timezone = setting(
        "UTC", description="Time zone of the clock that people see.", examples=["Europe/Berlin"]
    )
    users: Users = table(Users, "Who may log in.")
    network: Network = table(Network, "How the machine is reached and what it reaches.")
    firewall: Firewall = table(Firewall, "What may come in. Everything else is dropped.")
    storage: Storage = table(Storage, "Partition sizes, written when the disk is flashed.")
    boot: Boot = table(Boot, "The boot menu.")
    journal: Journal = table(Journal, "The system's journal.")
    policy: Policy = table(Policy, "What agents may do with tools.")
    notify: Notify = table(Notify, "Who is told when something fails.")
    services: Services = table(Services, "Settings of each service.")

    @field_validator("system")
    @classmethod
    def _matches_board(cls, system: str, info: ValidationInfo) -> str:
        board = info.data.get("board")
        if board is not None and system != SYSTEM_OF[board]:
            raise PydanticCustomError(
                "system",
                "does not fit the board {board}",
                {"board": board, "allowed": f'"{SYSTEM_OF[board]}"'},
            )
        return system
