# Units of the base system: what runs and what must not.
{
  enable = [
    "fstrim.timer"
    "nftables.service"
    "ssh.service"
    "systemd-pstore.service" # files what a panicking kernel left in the firmware
    "systemd-networkd.service"
    "systemd-resolved.service"
    "systemd-timesyncd.service"
  ];
  mask = [
    # Nobody logs in at a terminal: there are no passwords. tty1 shows the status.
    "autovt@.service"
    "console-getty.service"
    "container-getty@.service"
    "getty.target"
    "getty@.service"
    "serial-getty@.service"
    # The root is read-only and complete: nothing to index, cache or set up.
    "ldconfig.service"
    "systemd-firstboot.service"
    "systemd-hwdb-update.service"
    "systemd-journal-catalog-update.service"
    "systemd-machine-id-commit.service"
    "systemd-sysusers.service"
    "systemd-update-done.service"
    # The boot loader comes with the image and is updated with it.
    "systemd-boot-random-seed.service"
    "systemd-boot-update.service"
    # No unit waits for the network.
    "systemd-networkd-wait-online.service"
    # A login needs no service manager of its own.
    "user@.service"
    # Host keys are made by meso-hostkeys.service.
    "sshd-keygen.service"
    # SSH is a plain service here, and no door on a vsock or a local socket.
    "ssh.socket"
    # Interfaces of the kernel and of PID 1 that nothing here uses.
    "proc-sys-fs-binfmt_misc.automount"
    "sys-kernel-debug.mount"
    "sys-kernel-tracing.mount"
    "systemd-binfmt.service"
    "systemd-initctl.socket"
    "systemd-sysext.socket"
    # Timers of packages whose work the image replaces.
    "apt-daily.timer"
    "apt-daily-upgrade.timer"
    "dpkg-db-backup.timer"
    "e2scrub_all.timer"
    "e2scrub_reap.service"
    # No core dumps, no debug shell, no reboot by key combination.
    "ctrl-alt-del.target"
    "debug-shell.service"
  ];
}
