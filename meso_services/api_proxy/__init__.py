"""The one local door to every model, and of the six services the only one with a network."""
