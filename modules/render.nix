# Attribute sets to the text of a systemd unit.
#   { Unit = { After = [ "a" "b" ]; }; Service = { NoNewPrivileges = true; }; }
# A list becomes repeated lines in its order, a boolean yes or no, null nothing.
# Sections and keys come in a fixed order, so equal data gives equal text.
sections:
let
  first = [ "Unit" "Service" "Socket" "Timer" "Path" "Slice" "Install" ];
  present = builtins.attrNames sections;
  ordered =
    builtins.filter (name: builtins.elem name present && name != "Install") first
    ++ builtins.filter (name: !(builtins.elem name first)) present
    ++ builtins.filter (name: name == "Install") present;

  value = key: v:
    if builtins.isBool v then (if v then "yes" else "no")
    else if builtins.isInt v || builtins.isString v then toString v
    else throw "unit directive ${key}: a ${builtins.typeOf v} cannot be written";
  line = key: v: "${key}=${value key v}\n";
  lines = key: v:
    if v == null then ""
    else if builtins.isList v then builtins.concatStringsSep "" (map (line key) v)
    else line key v;

  body = attrs: builtins.concatStringsSep "" (map (key: lines key attrs.${key}) (builtins.attrNames attrs));
  section = name: "[${name}]\n${body sections.${name}}";
in
builtins.concatStringsSep "\n" (map section ordered)
