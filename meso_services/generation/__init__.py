"""Renders a generation: configuration and genome in, one directory out. Pure."""
