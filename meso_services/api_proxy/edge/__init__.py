"""Edge nodes by MCP: declared tool calls only, kept while a node is offline."""
