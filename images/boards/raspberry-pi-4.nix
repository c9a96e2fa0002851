# The Raspberry Pi 4 starts from its own firmware, which reads files of its own kind.
{
  arch = "arm64";
  uefi = false;
  needs = "the Raspberry Pi's own firmware files";
  consoles = [ "ttyS1,115200" "tty0" ];
  modules = [ "mmc_block" "pcie-brcmstb" "sd_mod" "sdhci-iproc" "uas" "usb-storage" "xhci-pci" ];
}
