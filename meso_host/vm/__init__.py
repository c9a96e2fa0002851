"""Virtual machines that run an image, in QEMU. Standard library only."""
