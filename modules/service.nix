# What the six services share. A service's own file says only what differs.
#   id            its name without "meso-", as in sockets, users and configuration
#   description   one line for the operator
#   state         directories that it owns and may write
#   memoryMax     the ceiling of its cgroup, unless the generation sets another
#   sockets       further sockets in /run/meso, in protocols of their own
#   service       directives added to or replacing the common ones
{ id, description, state, memoryMax, tasksMax ? 64, sockets ? [ ], service ? { } }:
let
  name = "meso-${id}";
  package = builtins.replaceStrings [ "-" ] [ "_" ] id;
in
{
  inherit description;
  unit = {
    # The generation says how the service is configured. Nothing here waits for
    # the network.
    Wants = "meso-activate.service";
    After = "meso-activate.service";
    Requires = "${name}.socket";
    PartOf = "meso.target";
    # A service that keeps dying is given up after about three minutes.
    StartLimitIntervalSec = 300;
    StartLimitBurst = 10;
  };
  service = import ./hardening.nix // {
    Type = "notify-reload"; # SIGHUP reads the configuration again
    NotifyAccess = "main";
    ExecStart = "/usr/bin/python3 -I -m meso_services.${package}";
    User = name;
    Group = name;
    SupplementaryGroups = "meso"; # may reach the other services' sockets
    Slice = "meso.slice";
    SyslogIdentifier = name;
    ReadWritePaths = state;
    WorkingDirectory = "/";

    Restart = "always";
    RestartSec = 1;
    RestartSteps = 5;
    RestartMaxDelaySec = 30;
    TimeoutStartSec = 180; # a software-emulated machine needs a minute
    TimeoutStopSec = 30; # open requests finish first
    WatchdogSec = 60; # the event loop must turn
    OOMPolicy = "stop";

    MemoryMax = memoryMax;
    TasksMax = tasksMax;
    LimitNOFILE = 4096;
    LimitCORE = 0; # a core would hold conversations and secrets
    # One arena and one thread: the numeric libraries otherwise reserve memory
    # for every core.
    Environment = [ "MALLOC_ARENA_MAX=2" "OPENBLAS_NUM_THREADS=1" "OMP_NUM_THREADS=1" ];
  } // service;
  socket = {
    ListenStream = map (name: "/run/meso/${name}.sock") ([ id ] ++ sockets);
    SocketUser = "root";
    SocketGroup = "meso";
    SocketMode = "0660";
    DirectoryMode = "0750";
    Backlog = 512; # a restart makes callers wait, it does not refuse them
  };
  install.WantedBy = "meso.target";
}
