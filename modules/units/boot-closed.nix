# Closes the record of this boot on the way down, after every other MESO unit has
# stopped: a record that was never closed did not end on purpose. Stopping in the
# reverse order means starting first, so nothing runs here at the start; opening
# the record (meso-boot-record) is slow and nobody waits for it.
let
  hardening = import ../hardening.nix;
in
{
  description = "End of the record of this boot";
  unit = {
    RequiresMountsFor = "/var/lib/meso/boot";
    Before = [ "meso-activate.service" "meso.target" ];
  };
  service = hardening // {
    Type = "oneshot";
    RemainAfterExit = true;
    ExecStop = "/usr/bin/python3 -I -m meso_services.boot.record close";
    TimeoutStopSec = 30;
    Slice = "meso.slice";
    ReadWritePaths = "/var/lib/meso/boot";
    ProcSubset = "all"; # the boot's id
    UMask = "0027"; # `meso status` reads the record as a member of the group
    Group = "meso";
    MemoryMax = "128M";
    TasksMax = 16;
    LimitCORE = 0;
  };
  install.WantedBy = "multi-user.target";
}
