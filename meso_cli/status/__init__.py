"""What `meso status` knows about the appliance, and how it is shown."""
