# The machine's SSH identity: one Ed25519 key, made at first boot, kept on the
# state partition. A key that a power cut left empty is made again.
{
  description = "SSH host key of this machine";
  unit = {
    Before = "ssh.service";
    RequiresMountsFor = "/var/lib/ssh";
  };
  service = import ../hardening.nix // {
    Type = "oneshot";
    RemainAfterExit = true;
    ExecStart = "/usr/bin/python3 -I -m meso_services.boot.hostkeys";
    TimeoutStartSec = 180; # a software-emulated machine with little time needs it
    Slice = "meso.slice";
    ReadWritePaths = "/var/lib/ssh";
    MemoryMax = "128M";
    TasksMax = 16;
    LimitCORE = 0;
  };
  install.WantedBy = "multi-user.target";
}
