"""What is derived from the session files so that they need not be read: never the truth."""
