import ../service.nix {
  id = "mind-runner";
  description = "MESO mind runner";
  state = [ "/meso/minds" ];
  memoryMax = "1G"; # clustering holds the thinking pool's vectors
}
