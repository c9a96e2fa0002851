"""The MESO protocol: frozen message models and a client. Imports nothing else of ours."""
