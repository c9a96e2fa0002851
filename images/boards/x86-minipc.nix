# A mini-PC with UEFI: SATA, NVMe or eMMC, and USB sticks. The screen shows the status; the first
# serial port, where there is one, is the console of the system's own messages.
{
  arch = "amd64";
  consoles = [ "tty0" "ttyS0,115200" ];
  modules = [
    "ahci" "ata_piix" "ehci-pci" "mmc_block" "nvme" "sd_mod" "sdhci-acpi" "sdhci-pci" "uas"
    "usb-storage" "virtio_blk" "virtio_pci" "virtio_scsi" "xhci-pci"
  ];
}
