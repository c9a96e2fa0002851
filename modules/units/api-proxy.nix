# The only one of the six that may reach the network.
import ../service.nix {
  id = "api-proxy";
  description = "MESO API proxy";
  state = [ "/var/lib/meso/api-proxy" ];
  memoryMax = "512M";
  tasksMax = 128; # name look-ups run in threads
  sockets = [ "egress" ]; # where sandboxed tools and the registry go out, by CONNECT
  service = {
    PrivateNetwork = false; # it calls the model providers
    RestrictAddressFamilies = [ "AF_UNIX AF_INET AF_INET6" ];
    # Providers change addresses, so no list of addresses can be kept: the
    # firewall and the proxy's own host policy bound what it reaches.
    IPAddressDeny = "";
    # The providers' API keys, where the machine has any; none is in the image.
    ImportCredential = "meso.*";
  };
}
