# Runs an agent's tools, each in a bubblewrap sandbox of its own. The sandbox is
# made of unprivileged namespaces, and that needs what is loosened here. Inside
# the sandbox everything is closed again: no network, no further namespaces, one
# workspace.
import ../service.nix {
  id = "tool-executor";
  description = "MESO tool executor";
  state = [ "/meso/workspaces" "/meso/scratchpad" "/var/lib/meso/tool-executor" ];
  memoryMax = "2G"; # the tools' memory counts here
  tasksMax = 1536; # and so do their processes
  service = {
    # One cgroup per call under a subtree of its own; the service itself lives in
    # a leaf, since a cgroup with children may hold no process.
    Delegate = "cpu memory pids io";
    DelegateSubgroup = "service";
    ProtectControlGroups = false; # it writes that subtree

    # The kernel lets an unprivileged namespace mount /proc only where nothing is
    # mounted over the /proc that it can already see. These directives do that.
    ProtectProc = "default";
    ProcSubset = "all";
    ProtectKernelTunables = false;
    ProtectKernelLogs = false;
    ProtectHostname = false;

    # The sandbox: its own user, mount, process, network, IPC, host name and
    # cgroup namespaces. Only the time namespace stays closed.
    RestrictNamespaces = [ "user mnt pid net ipc uts cgroup" ];
    # AF_NETLINK brings up the loopback of the sandbox's own network namespace.
    RestrictAddressFamilies = [ "AF_UNIX AF_NETLINK" ];
    SystemCallFilter = [
      "@system-service @mount @sandbox"
      "~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap"
      # bubblewrap gives up the rights that it has inside its own namespace, and
      # names the sandbox's host.
      "capset sethostname"
    ];
    # bubblewrap opens what it mounts by openat2, which the filter behind this
    # directive cannot look into and so refuses altogether.
    RestrictSUIDSGID = false;
    # Tools are programs of any kind; some (a JavaScript engine) make code.
    MemoryDenyWriteExecute = false;
    OOMPolicy = "continue"; # one tool that eats too much does not end the others
  };
}
