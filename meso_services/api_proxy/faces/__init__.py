"""The two APIs that the proxy speaks, one module each."""
