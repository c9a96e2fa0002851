"""The services that run on a MESO appliance."""
