"""The verbs: one module each, found by the table in `meso_cli.registry`."""
