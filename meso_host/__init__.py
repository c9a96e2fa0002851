"""What only the operator's computer does: lock, build, boot, test."""
