from meso_services.runtime.service import main
from meso_services.session_manager.app import SERVICE

main(SERVICE)
