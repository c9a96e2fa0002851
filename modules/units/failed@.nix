# One instance for each unit that failed, started by systemd: a drop-in for all
# services names it in OnFailure. The same drop-in leaves it out itself.
let
  hardening = import ../hardening.nix;
in
{
  description = "Notice of the failure of %i";
  unit.RequiresMountsFor = "/var/lib/meso/boot";
  service = hardening // {
    Type = "oneshot";
    ExecStart = "/usr/bin/python3 -I -m meso_services.boot.failed %i";
    TimeoutStartSec = 180;
    StandardOutput = "journal+console";
    Slice = "meso.slice";
    Group = "meso"; # `meso status` reads what it writes as a member of the group
    UMask = "0027";
    ReadWritePaths = "/var/lib/meso/boot";
    ProcSubset = "all"; # the boot's id
    MemoryMax = "192M";
    TasksMax = 16;
    LimitCORE = 0;
  };
}
