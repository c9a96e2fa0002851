# The first step: a static busybox unpacks the packages that make a Python interpreter.
# Nothing is patched: later steps start it through its own dynamic loader.
set -e
b=$NIX_BUILD_TOP/bin
$busybox mkdir -p "$b"
$busybox --install -s "$b"
export PATH="$b"

mkdir -p "$out/usr/bin" "$out/usr/sbin" "$out/usr/lib" "$out/usr/lib64"
for l in bin sbin lib lib64; do ln -s "usr/$l" "$out/$l"; done

unpack() {
  w=$NIX_BUILD_TOP/$(basename "$1")
  mkdir "$w"
  cd "$w"
  ar x "$1"
  case $(echo data.tar.*) in
    data.tar.xz) xzcat data.tar.xz ;;
    data.tar.gz) zcat data.tar.gz ;;
    *) echo "meso: $1: unknown compression" >&2; exit 1 ;;
  esac | tar -x -o --no-same-permissions -C "$out" -f -
}

# Two at a time: this step stands at the head of the whole build.
pids=
for deb in $(cat "$debsPath"); do
  unpack "$deb" &
  pids="$pids $!"
  set -- $pids
  if [ $# -ge 3 ]; then wait "$1"; shift; pids="$*"; fi
done
for p in $pids; do wait "$p"; done

rm -rf "$out/usr/share" "$out/etc" "$out/var" "$out/usr/lib/valgrind"
