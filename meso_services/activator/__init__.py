"""Makes a generation current at boot, before the network and SSH exist.

Standard library only: it is on the critical path of every boot. It never fails
the boot. What goes wrong is written to the journal and to
`/run/meso/activation.json`, and the rest is done all the same.
"""
