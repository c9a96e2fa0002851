"""Sessions carried from one instance to another, where divergence becomes branches."""
