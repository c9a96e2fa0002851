from meso_services.api_proxy.app import SERVICE
from meso_services.runtime.service import main

main(SERVICE)
