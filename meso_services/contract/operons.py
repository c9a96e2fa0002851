"""Changes of an instance's operons, and the registry that they may come from."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from meso_services.contract.common import Message
from meso_services.contract.identity import OperonTriggers, Origin, Sha256

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Version = Annotated[str, Field(pattern=r"^v[1-9][0-9]{0,5}$")]
Action = Literal["add", "update", "remove", "undo"]


class ChangeRequest(Message):
    """What to change. Without `plan` nothing is changed, only shown.

    `plan` confirms a plan that was shown: if it would be another by now, it is refused.
    """

    action: Action
    name: Name | None = Field(default=None, description="Every action but `undo` needs it")
    version: Version | None = Field(default=None, description="Instead of the newest")
    lazy: bool = Field(
        default=False, description="With `add`: approve it; its text stays in the registry"
    )
    plan: Sha256 | None = Field(default=None, description="`ChangePlan.plan`, to do it")


class Capability(Message):
    """Something that an operon's text expects to be able to do. Asked for, never granted."""

    name: str
    new: bool = Field(description="The version that is replaced did not ask for it")


class ChangePlan(Message):
    """`POST /v1/changes/plan`: what a change would do."""

    plan: Sha256 = Field(description="Confirms exactly this")
    action: Action
    name: str
    from_version: str | None
    to_version: str | None
    origin: Origin | None = Field(description="Where it will come from; null when it goes")
    capabilities: tuple[Capability, ...]
    triggers: OperonTriggers | None
    requires: tuple[str, ...]
    tokens: int = Field(description="Of its text, afterwards")
    diff: str = Field(description="Unified diff of all its files")
    warnings: tuple[str, ...] = ()


class ChangeDone(Message):
    """`POST /v1/changes`: done; `POST` with `undo` puts it back."""

    id: str
    change: ChangePlan
    identity: Sha256 | None = Field(description="The identity hash from now on")


class PastChange(Message):
    """One change that is kept."""

    id: str
    what: str
    name: str
    at: datetime
    undone: bool


class PastChanges(Message):
    """`GET /v1/changes`, oldest first."""

    changes: tuple[PastChange, ...]


class RegistryOperon(Message):
    """One operon of the registry, and what is here of it."""

    name: str
    version: str = Field(description="The newest")
    versions: tuple[str, ...]
    description: str
    tokens: int
    capabilities: tuple[str, ...]
    here: str | None = Field(description="The version in force here")
    origin: Origin | None


class RegistryReply(Message):
    """`GET /v1/registry?q=`: what the registry lists, as it was verified last."""

    url: str
    verified: datetime
    expires: datetime
    offline: str = Field(description="Why it was not asked now; empty when it was")
    operons: tuple[RegistryOperon, ...]
    problems: tuple[str, ...]
