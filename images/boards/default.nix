# The boards by name, and what every board has unless it says otherwise.
let
  common = {
    # False where the firmware cannot start an EFI program: building refuses, validating works.
    uefi = true;
    needs = "";
    consoles = [ "tty0" ];
    parameters = [ ];
    # Modules that must be in the initial RAM disk to find and check the root.
    modules = [ ];
  };
  names = map (file: builtins.replaceStrings [ ".nix" ] [ "" ] file)
    (builtins.filter (file: file != "default.nix") (builtins.attrNames (builtins.readDir ./.)));
in
builtins.listToAttrs
  (map (name: { inherit name; value = common // import (./. + "/${name}.nix"); }) names)
