# The six services together: `systemctl restart meso.target` restarts them all.
# Their cgroups lie in one slice, so their memory can be seen and weighed as one.
{
  description = "The MESO services";
  unit.After = "meso-activate.service";
  target = { };
  slice = {
    MemoryAccounting = true;
    TasksMax = 2048;
  };
  install.WantedBy = "multi-user.target";
}
