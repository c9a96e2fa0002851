# NVIDIA's Jetson Orin with the vendor's UEFI firmware; also any arm64 machine with UEFI, such as
# QEMU's `virt`. The last console that exists becomes /dev/console.
{
  arch = "arm64";
  consoles = [ "tty0" "ttyAMA0,115200" "ttyTCU0,115200" ];
  modules = [
    "ahci" "ahci_platform" "mmc_block" "nvme" "phy-tegra194-p2u" "pcie-tegra194" "sd_mod"
    "sdhci-tegra" "uas" "usb-storage" "virtio_blk" "virtio_mmio" "virtio_pci" "virtio_scsi"
    "xhci-pci" "xhci-tegra"
  ];
}
