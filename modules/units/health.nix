# Asks all six services whether they work, and only then is the boot complete:
# the boot loader counts a slot as good from here on. When they do not, it acts.
{
  description = "Health of the MESO services after boot";
  unit = {
    After = [ "meso.target" "meso-boot-record.service" ];
    Wants = "meso-boot-record.service";
    Before = "boot-complete.target";
  };
  service = import ../hardening.nix // {
    Type = "oneshot";
    RemainAfterExit = true;
    ExecStart = "/usr/bin/python3 -I -m meso_services.boot.health";
    TimeoutStartSec = 400; # the program itself gives up after 300 s
    StandardOutput = "journal+console";
    Slice = "meso.slice";
    Group = "meso";
    UMask = "0027";
    ReadWritePaths = "/var/lib/meso/boot";
    # It looks on the boot loader's partition for another slot to fall back to.
    InaccessiblePaths = [ "-/state" ];
    ProcSubset = "all"; # the kernel's command line names the slot
    MemoryMax = "128M";
    TasksMax = 32;
    LimitCORE = 0;
  };
  install = {
    WantedBy = "multi-user.target";
    RequiredBy = "boot-complete.target";
  };
}
