"""The memory manager: memories as markdown that a person can read, and a search over them."""
