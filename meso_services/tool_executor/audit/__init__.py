"""The audit: an append-only chain of records that shows any alteration."""
