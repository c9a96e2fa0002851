#!/bin/busybox sh
# The initial RAM disk's only program: find the root slot by its root hash, verify it, put the
# state partition under it, and start systemd.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin DM_DISABLE_UDEV=1
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755,nosuid,nodev run /run
mkdir -p /run/meso-initrd

say() { echo "<5>meso-initrd: $*" >/dev/kmsg; }
# Nothing to boot from: reboot, so that the boot loader counts a failure and tries the other slot.
die() {
  echo "<2>meso-initrd: $*" >/dev/kmsg
  sleep 5
  reboot -f
}
# The state is unusable: boot without it, reachable, and let the status say why.
degrade() {
  echo "<3>meso-initrd: $*" >/dev/kmsg
  echo "$*" >>/run/meso-initrd/degraded
}

for word in $(cat /proc/cmdline); do
  case $word in
    roothash=*) hash=${word#*=} ;;
    meso.verity=*) verity=${word#*=} ;;
  esac
done
[ -n "$hash" ] && [ -n "$verity" ] || die "no roothash= and meso.verity= on the command line"

coldplug() {
  find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u |
    xargs modprobe -a -q -b 2>/dev/null
}
coldplug
for module in crc32c_generic crc32c_intel sha256_ssse3 sha2_ce sha256_arm64; do
  modprobe -q $module 2>/dev/null
done
modprobe -a -q dm-verity erofs ext4 sd_mod

# The 32 hex digits of a partition UUID as blkid prints them.
uuid() {
  echo "$1" | sed 's/^\(.\{8\}\)\(.\{4\}\)\(.\{4\}\)\(.\{4\}\)\(.\{12\}\)$/\1-\2-\3-\4-\5/'
}
root_id=$(uuid "$(echo "$hash" | cut -c1-32)")
verity_id=$(uuid "$(echo "$hash" | cut -c33-64)")

seconds() { cut -d. -f1 /proc/uptime; }
limit=$(($(seconds) + 60))
tries=0
while :; do
  root=$(/usr/bin/findfs "PARTUUID=$root_id" 2>/dev/null)
  tree=$(/usr/bin/findfs "PARTUUID=$verity_id" 2>/dev/null)
  [ -n "$root" ] && [ -n "$tree" ] && break
  tries=$((tries + 1))
  [ "$(seconds)" -ge "$limit" ] && die "no disk has the partitions $root_id and $verity_id"
  [ $((tries % 10)) = 5 ] && coldplug
  sleep 0.2
done
# The state on the same disk: another disk may hold another appliance.
disk=$(readlink -f "/sys/class/block/${root##*/}/..")
for event in "$disk"/*/uevent; do
  if grep -qx PARTNAME=meso-state "$event"; then
    state=${event%/uevent}
    state=/dev/${state##*/}
  fi
done

blocks=${verity%%:*}
salt=${verity#*:}
dmsetup create --readonly root --table "0 $((blocks * 8)) verity 1 $root $tree 4096 4096 $blocks 1 sha256 $hash $salt 1 restart_on_corruption" ||
  die "the root's hash tree does not fit"
mount -t erofs -o ro,nodev /dev/dm-0 /sysroot || die "the root file system cannot be mounted"

repair() { e2fsck "$1" "$state" >>/run/meso-initrd/e2fsck 2>&1; [ $? -lt 4 ]; }
attach() { mount -t ext4 -o noatime,nodev "$state" /sysroot/state; }
mount_state() {
  [ -n "$state" ] || { degrade "no state partition on the disk of the root"; return 1; }
  # First the safe repairs. When those are not enough, all of them: what loses its place is
  # kept in lost+found.
  repair -p || repair -fy || { degrade "the state partition cannot be repaired"; return 1; }
  attach && return 0
  # A full repair sometimes needs a second one for what the first has uncovered.
  repair -fy && attach && return 0
  degrade "the state partition cannot be mounted"
  return 1
}
mount_state || mount -t tmpfs -o mode=755,nodev state /sysroot/state

for directory in meso nix var home root; do
  [ -d /sysroot/state/$directory ] || mkdir -p /sysroot/state/$directory
  mount --bind /sysroot/state/$directory /sysroot/$directory
done
chmod 700 /sysroot/state/root
if ! [ -s /sysroot/state/machine-id ]; then
  tr -d - </proc/sys/kernel/random/uuid >/sysroot/state/machine-id.new
  sync
  mv /sysroot/state/machine-id.new /sysroot/state/machine-id
  sync
fi
mount --bind /sysroot/state/machine-id /sysroot/etc/machine-id

say "slot $root, state ${state:-none}, after $(seconds) s"
for directory in dev proc sys run; do mount --move /$directory /sysroot/$directory; done
exec switch_root /sysroot /usr/lib/systemd/systemd
