"""`[policy]` of the appliance's file. It is rendered into the generation as `policy/tools.json`."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from meso_services.runtime.settings import Model, setting, table
from meso_services.tool_executor.policy.patterns import too_wide

_NAME = r"^[a-z0-9][a-z0-9-]{0,63}$"
FILE = "policy/tools.json"


class Rule(Model):
    """`[[policy.rules]]`: all conditions that are given must fit."""

    name: str = setting(pattern=_NAME, description="The rule's name, shown with each decision.")
    decision: Literal["allow", "ask", "deny"] = setting(
        description="What happens: it runs, an operator is asked, or it is refused."
    )
    reason: str = setting(
        "", max_length=300, description="Shown to the agent and in the audit with the decision."
    )
    tools: tuple[str, ...] = setting(
        (),
        description="Tools that it is about; `*` stands for any characters. Empty: all.",
        examples=[["bash"]],
    )
    commands: tuple[str, ...] = setting(
        (),
        description=(
            "Commands of a shell line, word by word. `*` stands for any characters of a word, "
            "and as the last word for any further words."
        ),
        examples=[["git push *"]],
    )
    paths: tuple[str, ...] = setting(
        (),
        description="Files below the workspace. `*` stays in a directory, `**` does not.",
        examples=[["secrets/**", "*.pem"]],
    )
    hosts: tuple[str, ...] = setting(
        (),
        description="Hosts that a call asks for, with a port (443 if there is none).",
        examples=[["pkg.test", "*.example.org:8443"]],
    )
    shapes: tuple[Literal["destructive", "unknown"], ...] = setting(
        (), description="What a shell line looks like: destructive, or not to be understood."
    )
    sessions: tuple[str, ...] = setting((), description="Sessions, as `tools`. Empty: all.")
    branches: tuple[str, ...] = setting((), description="Branches, as `tools`. Empty: all.")

    @field_validator("paths")
    @classmethod
    def _readable(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        if wide := next(filter(too_wide, paths), None):
            raise ValueError(f"{wide!r} has too many `**` inside of names")
        return paths


class SecurityInstance(Model):
    """`[policy.security]`: a model that looks at what is asked, before an operator comes."""

    model: str = setting(
        "",
        max_length=200,
        description="Model that is asked, by the API proxy's name for it. Empty: none is.",
        examples=["claude-haiku-4-5"],
    )
    may_allow: bool = setting(
        False,
        description="Whether its yes counts. Its no always does; otherwise its yes is only shown "
        "to the operator. A call can hold text that is made to persuade a model.",
    )
    seconds: int = setting(
        30, ge=1, le=600, description="Seconds that it has. Then the operator alone is asked."
    )
    instructions: str = setting(
        "", max_length=8000, description="What the operator tells it, beside its own orders."
    )


class Policy(Model):
    """What agents may do with tools."""

    default: Literal["allow", "ask", "deny"] = setting(
        "ask", description="For a tool that no rule names."
    )
    unknown: Literal["ask", "deny"] = setting(
        "ask", description="For a shell line that cannot be understood, unless a rule says more."
    )
    ask_seconds: int = setting(
        300, ge=1, le=86_400, description="Seconds that an operator has to answer. Then it is no."
    )
    console: bool = setting(
        False,
        description="Whether questions are shown and answered on the machine's own screen and "
        "keyboard. Nobody logs in there: whoever stands before the machine then decides.",
    )
    security: SecurityInstance = table(
        SecurityInstance, "The security instance, which looks at what is asked."
    )
    without: tuple[str, ...] = setting(
        (),
        description="Shipped rules that do not count here; `meso policy show` lists them.",
        examples=[["destructive"]],
    )
    rules: tuple[Rule, ...] = setting((), description="The operator's own rules.")


SHIPPED: tuple[Rule, ...] = (
    Rule(
        name="destructive",
        decision="deny",
        reason="Denied (destructive)",
        shapes=("destructive",),
    ),
    Rule(
        name="workspace-tools",
        decision="allow",
        reason="it stays in the workspace's sandbox",
        tools=("read", "write", "edit", "bash"),
    ),
    Rule(
        name="custom-tools",
        decision="allow",
        reason="the operator's own tools",
        tools=("custom:*",),
    ),
)
