"""An edge node: a real MCP server with a lamp. It appends what it did to the file it is given."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer

PORT, DONE = int(sys.argv[1]), Path(sys.argv[2])
node = MCPServer("node")


@node.tool()
def lamp(level: str, number: int = 0) -> str:
    """Set the lamp."""
    with DONE.open("a") as file:
        file.write(f"{level}{number}\n")
    return f"the lamp is {level}"


@node.tool()
def ask_model(prompt: str) -> str:
    """What must never be reached: the node's own model."""
    with DONE.open("a") as file:
        file.write("PROMPTED\n")
    return prompt


if __name__ == "__main__":
    node.run(transport="streamable-http", host="127.0.0.1", port=PORT)
