"""The session manager's routes, by what they are about."""
