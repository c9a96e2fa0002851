"""The chassis: what every service has in common, so that a service holds only its own subject."""
