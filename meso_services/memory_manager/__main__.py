"""`python3 -m meso_services.memory_manager`."""

from meso_services.memory_manager.app import SERVICE
from meso_services.runtime.service import main

main(SERVICE)
