"""A session as a git repository: each message a commit, each branch a branch."""
