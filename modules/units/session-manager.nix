import ../service.nix {
  id = "session-manager";
  description = "MESO session manager";
  state = [ "/meso/sessions" "/meso/checkpoints" ];
  memoryMax = "512M";
}
