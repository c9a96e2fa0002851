"""The identity as text for a model: one composition for every platform."""
