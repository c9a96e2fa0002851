"""The instance's own copies of its zooids: local edits, and what contradicts an update."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.common import Message, check_json

Text = Annotated[str, Field(max_length=400_000), AfterValidator(check_json)]


class Contradiction(Message):
    """A place that both sides changed differently; `line` counts in the local text, from 1."""

    line: int
    base: str
    mine: str
    theirs: str


class ZooidCopy(Message):
    """One zooid: how the local copy stands to the generation's."""

    name: str
    state: Literal["deployed", "edited", "added", "removed", "conflict"]
    reason: str = ""
    contradictions: tuple[Contradiction, ...] = ()
    mine: str | None = Field(description="The text in force; null when it was removed here")
    base: str | None = Field(description="The generation's text that was deployed last")
    theirs: str | None = Field(description="The current generation's text")


class ZooidCopies(Message):
    """`GET /v1/zooids/copies`."""

    copies: tuple[ZooidCopy, ...]


class EditZooid(Message):
    """`PUT /v1/zooids/{name}`: the local text, with its front matter; null removes it."""

    text: Text | None
    mine_sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="Refused if the text is another by now"
    )


class ResolveZooid(Message):
    """`POST /v1/zooids/{name}/resolve`: what is in force from now on.

    `mine` keeps the local text, `theirs` takes the generation's, `text` gives another.
    """

    keep: Literal["mine", "theirs", "text"]
    text: Text | None = None
