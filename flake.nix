{
  description = "MESO OS: an immutable appliance whose first-class services are an AI agent's functions";

  # For NixOS outputs. What is below reads none of it, so the Debian base builds where it cannot
  # be had: use only `builtins` in this file.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = { ... }:
    let
      system = "x86_64-linux"; # where images are built, for either architecture
      names = builtins.concatMap
        (file: let name = builtins.match "(.*)\\.toml" file; in if name == null then [ ] else name)
        (builtins.attrNames (builtins.readDir ./configs));
      each = list: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) list);
      appliance = name: import ./images { inherit name; };
      # A board that needs more than UEFI validates now and builds with the flashing tool.
      buildable = builtins.filter (name: (appliance name).buildable) names;
    in
    {
      # nix build .#x86-minipc
      packages.${system} = each buildable (name: (appliance name).image)
        // { default = (appliance "x86-minipc").image; };

      # nix flake check: every file in configs/ is valid and renders a generation.
      checks.${system} = each names (name: (appliance name).generation);
    };
}
