"""`./meso lock`: which package files an image is made of, by hash. `verb` is the entry."""
