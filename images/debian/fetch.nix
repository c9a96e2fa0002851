# Locked files as fixed outputs. Where the file is in the store already, nothing is fetched; where
# it is not, Nix itself brings it from the operator's mirror. The address is no part of the
# output's identity, so a different mirror gives the same image.
{ mirror, pypi }:
let
  # A store name allows fewer characters than Debian's versions use.
  storeName = text: builtins.concatStringsSep "-"
    (builtins.filter builtins.isString (builtins.split "[^A-Za-z0-9+._?=-]" text));
  file = { name, url, sha256 }: derivation {
    name = storeName name;
    system = "builtin";
    builder = "builtin:fetchurl";
    inherit url;
    urls = [ url ];
    executable = false;
    unpack = false;
    preferLocalBuild = true;
    outputHashAlgo = "sha256";
    outputHashMode = "flat";
    outputHash = sha256;
  };
in
{
  deb = e: file {
    name = "${e.name}_${e.version}_${e.arch}.deb";
    url = "${mirror}/${e.repo}/${e.filename}";
    inherit (e) sha256;
  };
  wheel = f: file {
    name = f.filename;
    url = "${pypi}/${f.filename}";
    inherit (f) sha256;
  };
  # A part of the package busybox-static, so no mirror has it: `./meso` puts it into the store.
  busyboxData = e: file {
    inherit (e) name sha256;
    url = "run-meso-build-once://${e.name}";
  };
}
