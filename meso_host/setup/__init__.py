"""What the operator's computer needs, and how it gets there. Standard library only."""
