"""The pages about the protocol and about Pi say what the tree has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meso_cli import command
from meso_host.protocol.operations import GROUPS, Operation
from meso_host.protocol.render import page
from meso_services.mcp.tools import GROUPS as TOOLS

TREE = Path(__file__).parents[3]
OPERATIONS = [operation for group in GROUPS.values() for operation in group]
BY_MCP = {tool.name for group in TOOLS.values() for tool in group}
OF_EXECUTOR = {"read", "write", "edit", "bash", "its own name"}


def test_the_page_of_the_protocol_is_what_the_services_say() -> None:
    """After a change of a contract: ./meso protocol --write"""
    assert (TREE / "docs/MESO-PROTOCOL.md").read_text() == page()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_has_the_tool_and_the_command_that_it_names(
    operation: Operation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operation.tool is None or operation.tool in BY_MCP | OF_EXECUTOR
    if operation.command is not None:
        verb, action = operation.command.split()
        with pytest.raises(SystemExit) as ended:
            command.parse([verb, action, "--help"])
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: meso {verb} {action}")


def test_every_tool_of_the_mcp_server_is_an_operation_of_the_page() -> None:
    assert {operation.tool for operation in OPERATIONS} >= BY_MCP


@pytest.mark.parametrize("name", ["pi-practices.md", "adapters.md", "MESO-PROTOCOL.md"])
def test_what_a_page_links_to_is_there(name: str) -> None:
    text = (TREE / "docs" / name).read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (TREE / "docs" / link).exists()] == []
    if name == "pi-practices.md":
        assert len(links) >= 10
