"""`meso test`: the whole suite with one command, and the long campaigns."""
