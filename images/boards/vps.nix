# A rented virtual machine with UEFI: the disks of the usual hypervisors, a serial console.
{
  arch = "amd64";
  consoles = [ "tty0" "ttyS0,115200" ];
  modules = [
    "ahci" "ata_piix" "hv_storvsc" "nvme" "sd_mod" "virtio_blk" "virtio_pci" "virtio_scsi"
    "vmw_pvscsi" "xen-blkfront"
  ];
}
