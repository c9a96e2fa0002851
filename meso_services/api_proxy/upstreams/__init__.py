"""What the proxy can send a request to, one module a kind."""
