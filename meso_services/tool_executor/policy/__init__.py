"""The policy: what a command line would do, and what the operator's rules say about it."""
