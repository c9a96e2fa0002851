from meso_services.mcp.app import SERVICE
from meso_services.runtime.service import main

main(SERVICE)
