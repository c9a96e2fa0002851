# Restarts the machine or powers it off for the operator, who has no privileges:
# the socket's other end is known from the kernel. It runs only while it is asked.
let
  hardening = import ../hardening.nix;
in
{
  description = "Restart and power-off for the operator";
  # It outlives the shutdown that it began, until its caller has the answer.
  unit.DefaultDependencies = false;
  service = hardening // {
    Type = "exec";
    ExecStart = "/usr/bin/python3 -I -m meso_services.boot.power";
    MemoryMax = "128M";
    TasksMax = 16;
    LimitCORE = 0;
  };
  socket = {
    ListenStream = "/run/meso/power.sock";
    SocketUser = "root";
    SocketGroup = "meso";
    SocketMode = "0660";
    DirectoryMode = "0750";
  };
}
