"""API keys: in one encrypted file, in the memory of this process, and nowhere else."""
