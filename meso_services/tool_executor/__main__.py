"""`python3 -m meso_services.tool_executor`."""

from meso_services.runtime.service import main
from meso_services.tool_executor.app import SERVICE

main(SERVICE)
