# The directives that every MESO unit starts from. A unit that cannot live with
# one of them replaces it in its own file and says there why.
{
  # Identity and privileges
  NoNewPrivileges = true; # nothing a unit starts can gain rights from a setuid or capability file
  CapabilityBoundingSet = ""; # no capability, not even for a process that runs as root
  AmbientCapabilities = ""; # and none is handed to what it starts
  # Own user namespace in which ids keep their numbers: a capability gained by a
  # bug counts only in there, and the ids that SO_PEERCRED reports stay true.
  PrivateUsers = "identity";
  RestrictSUIDSGID = true; # it cannot leave a setuid file behind
  LockPersonality = true; # no switch to another execution domain
  KeyringMode = "private"; # no kernel keys shared with other units
  UMask = "0077"; # files are private unless a program says otherwise

  # The file system
  ProtectSystem = "strict"; # everything is read-only but what ReadWritePaths names
  ProtectHome = true; # /home, /root and /run/user are empty
  PrivateTmp = "disconnected"; # own /tmp and /var/tmp, gone when the unit stops
  PrivateMounts = true; # mounts it makes are seen by nobody else
  # The second path to the state partition and the boot loader's partition: both
  # lead around the permissions under /meso.
  InaccessiblePaths = [ "-/state" "-/efi" "-/boot" ];

  # Devices and the kernel
  PrivateDevices = true; # only /dev/null and its like
  DevicePolicy = "closed"; # the same, enforced by the cgroup
  ProtectClock = true; # the clock is timesyncd's
  ProtectHostname = true; # the host name is the activator's
  ProtectKernelTunables = true; # /proc/sys and /sys are read-only
  ProtectKernelModules = true; # no module is loaded
  ProtectKernelLogs = true; # the kernel log shows addresses and other units' faults
  ProtectControlGroups = "strict"; # own view of the cgroup tree, read-only
  ProtectProc = "invisible"; # other users' processes cannot be seen
  ProcSubset = "pid"; # nothing in /proc but processes

  # What it may reach
  PrivateNetwork = true; # only a loopback of its own
  RestrictAddressFamilies = "AF_UNIX"; # path sockets only
  IPAddressDeny = "any"; # the same once more, in the cgroup
  PrivateIPC = true; # own System V and POSIX queues
  RemoveIPC = true; # none is left behind

  # System calls
  RestrictNamespaces = true; # no namespace is made or entered
  RestrictRealtime = true; # no schedule that starves the machine
  MemoryDenyWriteExecute = true; # no code is made at run time
  SystemCallArchitectures = "native"; # no 32-bit way around the filter
  SystemCallFilter = [
    "@system-service"
    "~@privileged @resources" # no ownership, mounts, modules or raised limits
  ];
  SystemCallErrorNumber = "EPERM"; # a refused call is an error to handle, not a kill
}
