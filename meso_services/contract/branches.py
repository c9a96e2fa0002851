"""Messages of a session's branches: make, switch, rename, merge, pick, rebase, stash, compare."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from meso_services.contract.common import JsonObject, Message, check_json
from meso_services.contract.session import BranchName, Entry, EntryId, Session

Said = Annotated[str, Field(max_length=16_384), AfterValidator(check_json)]
MergeStrategy = Literal["interleave", "append", "extract", "summarise"]
Index = Annotated[int, Field(ge=0, le=2**53)]


class Branch(Message):
    """A branch: a name for an entry, which moves when something is appended to the branch."""

    name: str
    tip: str | None = Field(description="Its newest entry; null before the first one")
    entries: int = Field(description="Entries on the way from the root to the tip")
    messages: int = Field(description="Messages among them")
    tokens: int = Field(description="An estimate of what all of them would take of a context")
    current: bool = Field(description="It is the branch that is worked on")


class Branches(Message):
    """All branches in the order of their creation, and those that were deleted."""

    branches: tuple[Branch, ...]
    dropped: dict[str, str | None] = Field(
        description="Deleted branches and where they stood: make one there to have it back"
    )


class At(Message):
    """A place in a session: an entry, or the message of that number on a branch, or its tip."""

    at: EntryId | None = Field(default=None, description="An entry's id")
    message: Index | None = Field(
        default=None, description="The message of this number on the way to the tip, from 1"
    )
    of: BranchName | None = Field(default=None, description="The branch; the current one if absent")

    @model_validator(mode="after")
    def _one(self) -> At:
        if self.at is not None and self.message is not None:
            raise ValueError("at and message: give one of them")
        return self


class MakeBranch(At):
    """`POST …/branches`: a branch that begins at a place."""

    name: BranchName
    switch: bool = Field(default=False, description="Go on working there")
    workspace: bool = Field(
        default=True, description="Also give it the files of the branch that it comes from"
    )


class Switch(Message):
    """`POST …/switch`: the branch to work on."""

    branch: BranchName


class RenameBranch(Message):
    """`PATCH …/branches/{branch}`."""

    name: BranchName


class Reset(At):
    """`POST …/branches/{branch}/reset`: let the branch go on at another place. Nothing is lost."""


class Moved(Message):
    """What a change of branches came to. `changed` is false when there was nothing to do."""

    branch: str
    head: str = Field(description="The branch that is worked on now")
    tip: str | None
    entry: Entry | None = Field(description="The entry that records the change")
    changed: bool = True
    workspace: str = Field(
        default="none", description="`none`, `branched` (and files of which time), or why not"
    )


class Fork(At):
    """`POST …/fork`: a new session with the way to a place as its beginning."""

    name: Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None


class EditSession(Message):
    """`PATCH /v1/sessions/{session}`: what is left out stays."""

    name: Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    archived: bool | None = None


class Deleted(Message):
    """The session is gone from the lists; its file is in the archive of the deleted ones."""

    session: str
    kept_as: str = Field(description="Below /meso/sessions; `undelete` brings it back")


class DeletedSessions(Message):
    """`GET /v1/deleted`: sessions that can be brought back, oldest first."""

    sessions: tuple[str, ...]


class LabelEntry(Message):
    """`POST …/labels`: a label on an entry; null takes it away."""

    target: EntryId
    label: Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")] | None
    branch: BranchName | None = None


class AddNote(Message):
    """`POST …/notes`: a remark on an entry, which no model sees."""

    target: EntryId
    text: Annotated[Said, Field(min_length=1)]


class Note(Message):
    """A remark."""

    id: str
    target: str
    timestamp: str
    text: str


class Marks(Message):
    """`GET …/marks`: what was said about entries. Of labels the newest counts."""

    labels: dict[str, str]
    notes: tuple[Note, ...]


class Variables(Message):
    """`GET …/state`: the session's variables. They are never synchronised."""

    variables: dict[str, Any]


class SetVariables(Message):
    """`PATCH …/state`: set some, remove others."""

    set: JsonObject = Field(default_factory=dict)
    unset: tuple[Annotated[str, Field(max_length=128)], ...] = Field(default=(), max_length=1000)


class Merge(Message):
    """`POST …/merge`: bring what is new on `source` to `target`.

    `interleave` puts the turns of both in the order of time; `append` puts those of the source
    after those of the target; `extract` and `summarise` add one entry that says what happened.
    """

    source: BranchName
    target: BranchName | None = Field(default=None, description="The current branch if absent")
    strategy: MergeStrategy = "interleave"
    tasks: bool = Field(default=True, description="Also merge the tasks of the source's branch")
    workspace: bool = Field(default=True, description="Also merge the files, where there are any")
    dry_run: bool = False


class Conflict(Message):
    """What both sides changed. The target's value stands; the source's is named here."""

    kind: Literal["label", "task", "file"]
    name: str
    ours: str
    theirs: str


class Merged(Message):
    """What a merge did, or with `dry_run` would do."""

    source: str
    target: str
    strategy: str = Field(description="`none` when there was nothing new")
    fallback: str = Field(default="", description="Why it is not the strategy that was asked for")
    base: str | None = Field(description="The common ancestor")
    ours: str | None
    theirs: str | None
    tip: str | None
    added: int = Field(description="Entries of the source that the target has now")
    repeated: int = Field(description="Entries of the target that had to be repeated in order")
    summary: str = ""
    tasks: tuple[str, ...] = Field(default=(), description="Tasks that were moved or merged")
    conflicts: tuple[Conflict, ...] = ()
    workspace: str = Field(default="none", description="`merged`, `conflicts`, `none`, or why not")
    changed: bool = True


class Pick(Message):
    """`POST …/cherry-pick`: repeat single entries on a branch. A tool call brings its results."""

    entries: tuple[EntryId, ...] = Field(min_length=1, max_length=1000)
    branch: BranchName | None = None


class Rebase(Message):
    """`POST …/rebase`: repeat what is on `branch` only, after the tip of `onto`."""

    branch: BranchName | None = None
    onto: BranchName


class Picked(Message):
    """Entries that were repeated: the old id and the new one."""

    branch: str
    tip: str | None
    entries: dict[str, str]
    changed: bool = True


class PushStash(At):
    """`POST …/stash`: set aside what a branch has since a place, and go on from there."""

    branch: BranchName | None = None
    note: Said = ""


class Stashed(Message):
    """Entries that were set aside."""

    id: str
    branch: str
    base: str | None
    tip: str | None
    note: str


class Stash(Message):
    """`GET …/stash`, oldest first."""

    stash: tuple[Stashed, ...]


class PopStash(Message):
    """`POST …/stash/pop`: bring back what was set aside (the newest if `id` is absent)."""

    id: EntryId | None = None
    branch: BranchName | None = None
    drop: bool = Field(default=False, description="Only take it off the list")


class Difference(Message):
    """`GET …/diff`: what each of two places has that the other has not, oldest first."""

    base: str | None
    only_from: tuple[Entry, ...]
    only_to: tuple[Entry, ...]
    more_from: int = Field(description="Entries that this answer leaves out")
    more_to: int


class LogPage(Message):
    """`GET …/log`: the way to a tip, newest first. `next` is what to pass as `before`."""

    entries: tuple[Entry, ...]
    next: str | None


class Replayed(Message):
    """`GET …/replay`: the session as it was when an entry was the newest one."""

    at: str | None
    seq: int
    timestamp: str | None
    name: str | None
    head: str
    branches: dict[str, str | None]
    variables: dict[str, Any]
    stash: tuple[Stashed, ...]
    path: tuple[Entry, ...] = Field(description="The newest entries on the way there")


class Family(Message):
    """`GET …/family`: the sessions that this one descends from, and those that descend from it."""

    session: Session
    ancestors: tuple[Session, ...]
    children: tuple[Session, ...] = Field(description="All generations, parents before children")
