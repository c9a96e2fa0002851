# The lock files as sets of packages, and the one way to take packages out of them by name.
let
  # `./meso test` goes on with a lock of its own when a mirror has dropped a superseded version.
  # Pure evaluation (the flake) has no environment and takes the committed one.
  elsewhere = builtins.getEnv "MESO_LOCK";
  directory = if elsewhere == "" then ./lock else /. + elsewhere;
  read = name: builtins.fromJSON (builtins.readFile (directory + "/${name}.json"));
  missing = set: name:
    throw "images/debian/lock/${set}.json has no package ${name}: run ./meso lock";
  set = name:
    let debs = (read name).debs; in {
      inherit debs;
      pick = names: map
        (wanted:
          let found = builtins.filter (e: e.name == wanted) debs; in
          if found == [ ] then missing name wanted else builtins.head found)
        names;
      # The same for a set of several architectures: { amd64 = [ names ]; all = [ names ]; }.
      pickArch = wanted: builtins.concatMap
        (arch: map
          (n:
            let found = builtins.filter (e: e.name == n && e.arch == arch) debs; in
            if found == [ ] then missing name "${n}:${arch}" else builtins.head found)
          wanted.${arch})
        (builtins.attrNames wanted);
      without = names: builtins.filter (e: !(builtins.elem e.name names)) debs;
      matching = pattern: builtins.filter (e: builtins.match pattern e.name != null) debs;
    };
in
{
  inherit set;
  meta = read "meta";
  users = directory + "/users.json";
  python = (read "python").packages;
  models = (read "models").packages;
}
