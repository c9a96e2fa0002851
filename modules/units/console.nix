# The screen: tty1 shows `meso status` instead of a login prompt, since nobody
# can log in there. The user is made up for the unit, without privileges. Being in
# the group `meso`, which it needs to ask the services for their health, it could
# write to their sockets too, but for what is for operators only. That it reads is
# up to its program. From the keyboard it takes one thing: `allow ID` and `deny ID`
# for what waits for an operator, and the tool executor takes that from the group
# `meso-screen` only where the operator's policy says `console = true`.
let
  hardening = import ../hardening.nix;
in
{
  description = "Status on the console";
  unit = {
    ConditionPathExists = "/dev/tty1";
    After = "meso-activate.service"; # the services' start is part of what it shows
  };
  service = hardening // {
    Type = "exec";
    ExecStart = "/usr/bin/python3 -I -m meso_cli status --watch";
    DynamicUser = true;
    SupplementaryGroups = "meso meso-screen";
    Slice = "meso.slice";
    StandardInput = "tty-force";
    StandardOutput = "tty";
    StandardError = "journal";
    TTYPath = "/dev/tty1";
    TTYReset = true;
    TTYVHangup = true;
    TTYVTDisallocate = true;
    DeviceAllow = "/dev/tty1 rw"; # the screen itself
    Environment = "TERM=linux";
    ProcSubset = "all"; # memory, load and uptime
    # It asks the kernel for the machine's addresses.
    PrivateNetwork = false;
    RestrictAddressFamilies = [ "AF_UNIX AF_NETLINK" ];
    # `ip` gives up its rights when it starts, and fails where it may not.
    SystemCallFilter = hardening.SystemCallFilter ++ [ "capset" ];
    Restart = "always";
    RestartSec = 5;
    MemoryMax = "128M";
    TasksMax = 32;
    LimitCORE = 0;
  };
  install.WantedBy = "multi-user.target";
}
