"""The services that the session manager asks, over their sockets."""
