"""The operon loader: who this instance is, and which knowledge a text brings in."""
