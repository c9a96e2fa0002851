import ../service.nix {
  id = "operon-loader";
  description = "MESO operon loader";
  state = [ "/meso/zooids" "/meso/operons" ];
  memoryMax = "256M";
}
