"""What a model is sent of a session, by the rules of its API."""
