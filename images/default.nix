# One appliance: configs/NAME.toml → its image and the parts that it is made of.
{ name
, source ? ../.
, mirror ? builtins.getEnv "MESO_MIRROR"
, pypi ? builtins.getEnv "MESO_PYPI"
}:
let
  orUnset = value: unset: if value == "" then unset else value;
  path = source + "/configs/${name}.toml";
  # The store path's name does not depend on where the repository lies.
  config = builtins.path { name = "${name}.toml"; inherit path; };
  settings =
    if builtins.pathExists path then builtins.fromTOML (builtins.readFile path)
    else throw "configs/${name}.toml does not exist";

  boards = import ./boards;
  boardNames = builtins.concatStringsSep ", " (builtins.attrNames boards);
  wanted = settings.board or (throw "configs/${name}.toml: board is missing; it is one of ${boardNames}");
  found = boards.${wanted} or (throw "configs/${name}.toml: board \"${wanted}\" is unknown; it is one of ${boardNames}");
  system = { amd64 = "x86_64-linux"; arm64 = "aarch64-linux"; }.${found.arch};
  # Lazy: validating a file and rendering its generation ask for no board's details.
  board =
    if (settings.system or system) != system
    then throw "configs/${name}.toml: system is \"${settings.system}\", but the board ${wanted} is ${system}"
    else if !found.uefi
    then throw "configs/${name}.toml: the board ${wanted} needs ${found.needs}; `./meso config check ${name}` validates this file, an image cannot be built yet"
    else found // { name = wanted; };
in
{ buildable = found.uefi; } // import ./debian {
  inherit name source config board;
  mirror = orUnset mirror "meso-mirror-not-set://set-MESO_MIRROR";
  pypi = orUnset pypi "meso-pypi-not-set://set-MESO_PYPI";
  layout = import ./layout.nix { inherit (board) arch; storage = settings.storage or { }; };
  inherit ((builtins.fromTOML (builtins.readFile (source + "/pyproject.toml"))).project) version;
}
