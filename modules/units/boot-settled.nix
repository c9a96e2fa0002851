# The end of the boot: writes down whether the slot now counts as good, and which
# other slots could boot. It runs whether or not the boot was healthy.
{
  description = "Record of this boot's slots";
  unit.After = [ "meso-health.service" "boot-complete.target" "systemd-bless-boot.service" ];
  service = import ../hardening.nix // {
    Type = "oneshot";
    RemainAfterExit = true;
    ExecStart = "/usr/bin/python3 -I -m meso_services.boot.record settle";
    TimeoutStartSec = 180; # a software-emulated machine with little time needs it
    Slice = "meso.slice";
    Group = "meso";
    UMask = "0027";
    ReadWritePaths = "/var/lib/meso/boot";
    InaccessiblePaths = [ "-/state" ]; # it reads the boot loader's partition
    ProcSubset = "all"; # the kernel's command line names the slot
    MemoryMax = "128M";
    TasksMax = 16;
    LimitCORE = 0;
  };
  install.WantedBy = "multi-user.target";
}
