"""docs/MESO-PROTOCOL.md, generated from what the services answer and the contract's models."""
