# The Raspberry Pi 5 starts from its own firmware, and its Ethernet and USB sit behind the RP1,
# which Debian 13's kernel 6.12 does not drive.
{
  arch = "arm64";
  uefi = false;
  needs = "the Raspberry Pi's own firmware files and a kernel newer than 6.12";
  consoles = [ "ttyAMA10,115200" "tty0" ];
  modules = [ "mmc_block" "nvme" "pcie-brcmstb" "sd_mod" "sdhci-brcmstb" "uas" "usb-storage" "xhci-pci" ];
}
