# The embedding model, for whoever asks. systemd holds the socket and starts the
# service with the first request; without requests it ends and its memory is free.
import ../service.nix {
  id = "embed";
  description = "MESO embeddings";
  state = [ ];
  memoryMax = "250M"; # the model's weights, and one group of texts
  service.Restart = "on-failure"; # leaving when idle is no failure
} // {
  install = null; # only its socket is enabled
}
