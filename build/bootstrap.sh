#!/bin/bash
# Installs what building and testing need and is missing: Debian packages by apt, JavaScript packages by npm.
# Says what and why; does nothing and prints nothing when all is there.
#   bootstrap.sh        everything
#   bootstrap.sh npm    JavaScript packages only (enough for types, lint and unit tests that need no program)
set -euo pipefail
cd "$(dirname "$0")/.."

# package : why
PACKAGES=$(
	cat <<'END'
libatomic1            : the pinned Node needs it
binutils              : strip makes the executable smaller
ca-certificates       : apt over HTTPS mirrors
debian-archive-keyring: verifies the Pre-OS packages
cpio                  : stage 1 archive
kmod                  : module dependencies of the Pre-OS kernel
zstd                  : compresses stage 1 and caches
xz-utils              : unpacks Debian packages
wimtools              : packs totaldeploy.wim
busybox-static        : the tiny test machine
xorriso               : the hybrid ISO
mtools                : FAT images without mounting
dosfstools            : FAT images without mounting
e2fsprogs             : ext4 images without mounting
ntfs-3g               : NTFS images without mounting
xfsprogs              : XFS images for disk tests
btrfs-progs           : Btrfs images for disk tests
f2fs-tools            : F2FS images for disk tests
exfatprogs            : exFAT images for disk tests
lvm2                  : LVM images for disk tests
cryptsetup-bin        : LUKS images for disk tests
gdisk                 : GPT test disks, independent check
fdisk                 : MBR test disks, independent check
parted                : partition tables, independent check
partclone             : used-block maps
mmdebstrap            : the Debian test machine
grub-pc-bin           : boot loader of the test machines
grub-efi-amd64-bin    : boot loader of the test machines
grub-common           : grub-mkimage
qemu-system-x86       : virtual machines
qemu-utils            : virtual disks
ovmf                  : UEFI firmware of the virtual machines
seabios               : BIOS of the virtual machines
ipxe-qemu             : network boot ROMs of the virtual machines
dnsmasq-base          : a real DHCP and TFTP server to test with
iproute2              : network namespaces of the tests
nftables              : packet loss in the tests
tcpdump               : packet captures of failed tests
samba                 : a real SMB server to test with
nfs-ganesha           : a real NFS server to test with
nfs-ganesha-vfs       : its access to folders
openssh-client        : what is asked of started systems
sshpass               : with their new passwords
tmux                  : a real terminal for the tests of the screens
libhivex-bin          : an independent reader of registry hives
libwin-hivex-perl     : its export as text
libregf-utils         : another independent reader of registry hives
chntpw                : reged, a third one
python3-minimal       : an independent reader of the image format
chromium              : the web view and the report in a real browser
fonts-dejavu-core     : letters for the browser
wine64                : Windows' command interpreter and script host, for the first-start scripts
END
)

missing=()
if [ "${1:-all}" != npm ]; then
  while IFS=: read -r name why; do
    name=$(echo "$name" | tr -d ' ')
    [ -n "$name" ] || continue
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
      missing+=("$name")
      echo "bootstrap: $name is missing (needed:$why)"
    fi
  done <<<"$PACKAGES"
elif ! ldconfig -p | grep -q libatomic.so.1; then
  missing+=(libatomic1)
  echo "bootstrap: libatomic1 is missing (the pinned Node needs it)"
fi

if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "bootstrap: installing needs root; run: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null
  apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
  echo "bootstrap: ${#missing[@]} Debian packages installed"
fi

if ! cmp -s package-lock.json node_modules/.totaldeploy-lock; then
  echo "bootstrap: installing the JavaScript packages of package-lock.json"
  # Not `npm ci`: it refuses a lock file made where other platforms' optional packages are not to be had.
  npm install --no-save --silent --no-progress
  cp package-lock.json node_modules/.totaldeploy-lock
fi
