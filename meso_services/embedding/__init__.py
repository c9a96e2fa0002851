"""The local embedding model, all-MiniLM-L6-v2: a sentence becomes a unit vector of 384 numbers."""
