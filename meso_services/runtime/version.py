"""The version of the services, as /healthz and the logs report it."""

VERSION = "0.1.0"
