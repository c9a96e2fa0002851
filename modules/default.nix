# The units as files: what goes where in the root, what is enabled and what is
# masked. The data itself is in units/, one file a unit.
let
  render = import ./render.nix;
  directory = "usr/lib/systemd/system";

  kinds = {
    service = "Service";
    socket = "Socket";
    timer = "Timer";
    target = null; # a target has no section of its own
    slice = "Slice";
  };
  stem = file: builtins.replaceStrings [ ".nix" ] [ "" ] file;
  units = map
    (file: import (./units + "/${file}") // { name = unitName (stem file); })
    (builtins.attrNames (builtins.readDir ./units));
  unitName = name: if name == "meso" then name else "meso-${name}";

  # A file may describe a unit and its companion: the socket of a service, the slice
  # of a target. The companion has the same name, and none of the unit's relations.
  companion = unit: kind: (kind == "socket" && unit ? service) || kind == "slice";
  partOf = unit: kind: if kind == "socket" then unit.unit.PartOf or null else null;
  unitSection = unit: kind:
    if companion unit kind
    then { Description = "${unit.description} (${kind})"; PartOf = partOf unit kind; }
    else { Description = unit.description; } // unit.unit or { };
  installSection = unit: kind:
    if !(companion unit kind) then unit.install or null
    else if kind == "socket" then { WantedBy = "sockets.target"; }
    else null; # a slice comes with the first unit in it

  text = unit: kind:
    let install = installSection unit kind; in
    render (
      { Unit = unitSection unit kind; }
      // (if kinds.${kind} == null then { } else { ${kinds.${kind}} = unit.${kind}; })
      // (if install == null then { } else { Install = install; })
    );

  kindsOf = unit: builtins.filter (kind: unit ? ${kind}) (builtins.attrNames kinds);
  each = f: builtins.concatMap (unit: map (f unit) (kindsOf unit)) units;
  own = each (unit: kind: {
    name = "${unit.name}.${kind}";
    file = text unit kind;
    enable = installSection unit kind != null;
  });
  foreign = import ./foreign.nix;
in
{
  files = builtins.listToAttrs
    (map (unit: { name = "${directory}/${unit.name}"; value = unit.file; }) own);
  enable = map (unit: unit.name) (builtins.filter (unit: unit.enable) own) ++ foreign.enable;
  inherit (foreign) mask;
}
