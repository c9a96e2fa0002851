"""External MCP servers as tools: declared by the operator, pinned, called inside the sandbox."""
