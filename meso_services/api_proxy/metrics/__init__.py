"""What the proxy counts, as Prometheus reads it."""
