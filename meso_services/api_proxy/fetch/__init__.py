"""The fetch tool: pages for agents, through the operator's list, bounded and marked."""
