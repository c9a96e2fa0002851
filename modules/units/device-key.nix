# The key under which this device keeps secrets (API keys): made at first boot,
# encrypted by systemd under the TPM, or without one under the host's key, and
# offered to the units that import it. A boot goes on without it; then no secret
# can be set, and the proxy says so.
{
  description = "Key of this device for secrets";
  unit = {
    Before = "meso-api-proxy.service";
    RequiresMountsFor = "/var/lib/meso /var/lib/systemd";
    # On a temporary state partition a new key would be gone with the next boot.
    ConditionPathExists = "!/run/meso-initrd/degraded";
  };
  service = import ../hardening.nix // {
    Type = "oneshot";
    RemainAfterExit = true;
    ExecStart = "/usr/bin/python3 -I -m meso_services.boot.device_key";
    TimeoutStartSec = 90;
    Slice = "meso.slice";
    # The key, the host's own key (systemd makes it), the place where systemd
    # looks, and the word for `meso secret list`.
    ReadWritePaths = [ "/var/lib/meso" "/var/lib/systemd" "/run" ];
    # The TPM, where there is one, and whether there is one.
    PrivateDevices = false;
    DeviceAllow = [ "/dev/tpmrm0 rw" "/dev/tpm0 rw" ];
    MemoryMax = "128M";
    TasksMax = 16;
    LimitCORE = 0; # a core would hold the key
  };
  install.WantedBy = "multi-user.target";
}
