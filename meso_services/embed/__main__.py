"""`python3 -m meso_services.embed`."""

from meso_services.embed.app import SERVICE
from meso_services.runtime.service import main

main(SERVICE)
