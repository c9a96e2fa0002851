"""How a boot went: its record, the services' health, and what follows when they are not well."""
