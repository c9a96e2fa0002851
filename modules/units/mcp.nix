# The appliance for MCP clients. It only speaks to the other services' sockets: what a
# client asks for is done, allowed and recorded by them. systemd holds the socket and
# starts it with the first request; without requests it ends.
import ../service.nix {
  id = "mcp";
  description = "MESO MCP server";
  state = [ ];
  memoryMax = "256M";
  service.Restart = "on-failure"; # leaving when idle is no failure
} // {
  install = null; # only its socket is enabled
}
