"""The egress door: sandboxed tools and the registry reach named hosts through it, no others."""
