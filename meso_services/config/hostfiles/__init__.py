"""Renderers of a generation's `host/` files. Each is pure: settings in, text out."""
