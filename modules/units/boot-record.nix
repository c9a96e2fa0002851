# Puts on record how the last boot ended and that this one began. Only the health
# check waits for it; meso-boot-closed ends the record.
let
  hardening = import ../hardening.nix;
in
{
  description = "Record of this boot";
  unit = {
    RequiresMountsFor = "/var/lib/meso/boot";
    After = "systemd-pstore.service"; # a panic's last words are filed by then
    Before = "meso-health.service";
  };
  service = hardening // {
    Type = "oneshot";
    RemainAfterExit = true;
    ExecStart = "/usr/bin/python3 -I -m meso_services.boot.record open";
    TimeoutStartSec = 180; # a software-emulated machine with little time needs it
    Slice = "meso.slice";
    ReadWritePaths = "/var/lib/meso/boot";
    # The boot loader's partition says which slots have used up their tries.
    InaccessiblePaths = [ "-/state" ];
    ProcSubset = "all"; # the kernel's command line and the boot's id
    UMask = "0027"; # `meso status` reads the record as a member of the group
    Group = "meso";
    MemoryMax = "128M";
    TasksMax = 16;
    LimitCORE = 0;
  };
  install.WantedBy = "multi-user.target";
}
