"""`python3 -m meso_services.operon_loader`."""

from meso_services.operon_loader.app import SERVICE
from meso_services.runtime.service import main

main(SERVICE)
