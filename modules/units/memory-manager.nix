import ../service.nix {
  id = "memory-manager";
  description = "MESO memory manager";
  state = [ "/meso/memory" ];
  memoryMax = "512M";
}
