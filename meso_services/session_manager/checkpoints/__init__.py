"""Checkpoints: made, kept, restored whole or not at all, carried to other machines."""
