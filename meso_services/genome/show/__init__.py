"""What was read, as messages of the contract; and identities wherever they lie."""

from meso_services.genome.show.place import read_identity_at

__all__ = ["read_identity_at"]
