"""The `meso` command, the same on the appliance and on the operator's computer."""
