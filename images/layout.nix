# The disk: which partitions, in which order, how large, of which type.
#
# Sizes are chosen on purpose. The root has a goal of 320 MiB, so a slot of 512 MiB leaves room
# for years of updates. The hash tree of a full slot takes 1/127 of it. The EFI partition holds
# three kernel images (two slots and one being written) and a board's firmware. State is made as
# small as a growing ext4 can sensibly be, and takes the rest of the disk at first boot.
{ arch, storage ? { } }:
let
  MiB = 1048576;
  # "512M", "1G" → bytes; the program that validates the file gives the better message.
  units = { K = 1024; M = MiB; G = 1024 * MiB; T = 1048576 * MiB; };
  bytes = key: default:
    let
      text = storage.${key} or default;
      parts = builtins.match "([0-9]+)([KMGT])" text;
    in
    if parts == null
    then throw "storage.${key}: \"${text}\" is no size; write a number and K, M, G or T, such as \"${default}\""
    else builtins.fromJSON (builtins.elemAt parts 0) * units.${builtins.elemAt parts 1};
  up = n: (n + MiB - 1) / MiB * MiB;

  esp = up (bytes "esp_size" "256M");
  root = up (bytes "root_size" "512M");
  state = up (bytes "state_size" "128M");
  # 4096 bytes of digests per 127 blocks of data, and one MiB for the upper levels.
  verity = up (root / 127) + MiB;

  rootType = {
    amd64 = { data = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"; hash = "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"; };
    arm64 = { data = "b921b045-1df0-41c3-af44-4c6f280d3fae"; hash = "df3300ce-d69f-4c92-978c-9bfb0f38d820"; };
  }.${arch};
  # The attribute bits of the Discoverable Partitions Specification: read-only, and grow.
  readOnly = 1152921504606846976; # 2^60
  grow = 576460752303423488; # 2^59

  part = name: label: type_id: size: flags: { inherit name label type_id size flags; };
  partitions = [
    (part "esp" "esp" "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" esp 0)
    (part "root-a" "meso_VERSION_root" rootType.data root readOnly)
    (part "verity-a" "meso_VERSION_verity" rootType.hash verity readOnly)
    # The label by which systemd-sysupdate knows an empty slot.
    (part "root-b" "_empty" rootType.data root readOnly)
    (part "verity-b" "_empty" rootType.hash verity readOnly)
    # Last, so that it can grow.
    (part "state" "meso-state" "0fc63daf-8483-4772-8e79-3d69d8477de4" state grow)
  ];
  checks = [
    { ok = esp >= 64 * MiB; message = "storage.esp_size must be at least 64M: it holds three kernel images"; }
    { ok = root >= 192 * MiB; message = "storage.root_size must be at least 192M"; }
    { ok = state >= 64 * MiB; message = "storage.state_size must be at least 64M: the file system's journal takes 32M"; }
  ];
  failed = builtins.filter (check: !check.ok) checks;
in
if failed != [ ] then throw (builtins.head failed).message else {
  inherit partitions;
  rootSize = root;
  # Both tables take one MiB at either end.
  diskSize = builtins.foldl' (sum: p: sum + p.size) (2 * MiB) partitions;
}
