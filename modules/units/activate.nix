# Makes a generation current: the link /run/meso/current, the host's own files
# under /run, and the reloads that follow from them.
let
  hardening = import ../hardening.nix;
in
{
  description = "MESO generation activator";
  unit = {
    # Before the network is set up, since the generation says how; but after the
    # state partition has grown and the directories exist.
    After = [ "meso-boot-closed.service" "systemd-tmpfiles-setup.service" ];
    Wants = "network-pre.target";
    Before = [
      "network-pre.target"
      "systemd-networkd.service"
      "ssh.service"
      "meso.target"
    ];
  };
  service = hardening // {
    Type = "oneshot";
    RemainAfterExit = true;
    ExecStart = "/usr/bin/python3 -I -m meso_services.activator";
    # Setting the host's name takes a capability that the activator has not; this
    # one command runs outside the sandbox. A boot goes on without it.
    ExecStartPost = "-+/usr/bin/hostname -F /run/meso/hostname";
    TimeoutStartSec = 180;
    Slice = "meso.slice";
    # SSH keys of a virtual machine come as system credentials; other secrets are
    # not for the activator.
    ImportCredential = "meso.ssh.*";
    UMask = "0022"; # what it writes under /run is for others to read
    ReadWritePaths = [ "/run" "/var/lib/meso" "-/nix" ];
    MemoryMax = "256M";
    TasksMax = 64;
    LimitCORE = 0;
  };
  install.WantedBy = "multi-user.target";
}
