"""`python3 -m meso_services.mind_runner`."""

from meso_services.mind_runner.app import SERVICE
from meso_services.runtime.service import main

main(SERVICE)
