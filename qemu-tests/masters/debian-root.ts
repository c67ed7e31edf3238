import { fileURLToPath } from 'node:url';
import { TdError } from '../../src/lib/errors.ts';
import { run } from '../../src/lib/spawn.ts';
import { cachedMaster, type Master } from './master-cache.ts';

const SUITE = 'bookworm';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const PACKAGES = [
  'linux-image-cloud-amd64',
  'initramfs-tools',
  'systemd-sysv',
  'udev',
  'kmod',
  'dbus',
  'openssh-server',
  'sudo',
  'ifupdown',
  'isc-dhcp-client',
  'iproute2',
  'iputils-ping',
  'netbase',
  'less',
  'nano',
  'ca-certificates',
  'e2fsprogs',
  'grub2-common',
  'grub-pc-bin',
  'grub-efi-amd64-bin',
  'busybox-static',
  'nginx-light',
  'python3',
  'vim',
];

/** Documentation; the disk stays a server's, only smaller. */
const EXCLUDED_PATHS = ['man', 'info', 'lintian', 'bug'].map((name) => `/usr/share/${name}/*`);

const INITRAMFS_MODULES = 'virtio_pci virtio_blk virtio_scsi sd_mod nvme ext4'.split(' ');

/** One core image for GPT and MBR disks: it finds its own partition by the menu's file. */
const BIOS_CORE_MODULES =
  'biosdisk part_gpt part_msdos ext2 search search_fs_file normal serial terminal configfile echo linux boot';

/** Where the BIOS core image lies in the root. */
export const BIOS_CORE_PATH = 'boot/grub/core.img';

/**
 * Installs a Debian 12 server into a tar archive, without booting or mounting anything.
 *
 * @throws TdError `not-found` when the machine's apt has no Debian mirror; `tool-failed`.
 */
export async function debianRoot(): Promise<Master<{ packages: number }>> {
  return await cachedMaster({
    name: 'debian-root.tar',
    sources: [fileURLToPath(import.meta.url)],
    build: async (outPath) => {
      const sources = await bookwormSources();
      await run('mmdebstrap', mmdebstrapArguments(outPath), {
        input: `${sources.join('\n')}\n`,
        timeoutMs: 900_000,
      });
      return { packages: PACKAGES.length };
    },
  });
}

function mmdebstrapArguments(outPath: string): string[] {
  const initramfs = `printf 'MODULES=list\\nCOMPRESS=gzip\\nFSTYPE=ext4\\n' > "$1/etc/initramfs-tools/conf.d/disk"`;
  const modules = `printf '%s\\n' ${INITRAMFS_MODULES.join(' ')} > "$1/etc/initramfs-tools/modules"`;
  const early = `printf 'search --no-floppy --file --set=root /boot/grub/grub.cfg\\nset prefix=($root)/boot/grub\\n' > "$1/tmp/early.cfg"`;
  const core = `chroot "$1" grub-mkimage -O i386-pc -c /tmp/early.cfg -p /boot/grub -o /${BIOS_CORE_PATH} ${BIOS_CORE_MODULES}`;
  return [
    '--mode=root',
    '--variant=minbase',
    `--include=${PACKAGES.join(',')}`,
    '--aptopt=APT::Install-Recommends "false"',
    ...EXCLUDED_PATHS.map((path) => `--dpkgopt=path-exclude=${path}`),
    `--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"; ${initramfs}; ${modules}`,
    `--customize-hook=mkdir -p "$1/boot/grub"; ${early}; ${core}; rm "$1/tmp/early.cfg"`,
    SUITE,
    outPath,
    '-',
  ];
}

/** apt lines for Debian 12 from the mirrors this machine's own apt uses, whatever release it runs. */
async function bookwormSources(): Promise<string[]> {
  const format = '$(ORIGIN)|$(LABEL)|$(REPO_URI)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format]);
  const mirrorOf = (label: string) =>
    stdout
      .split('\n')
      .map((line) => line.split('|'))
      .find(([origin, name]) => origin === 'Debian' && name === label)?.[2];
  const main = mirrorOf('Debian');
  if (main === undefined) {
    throw new TdError(
      'not-found',
      'Cannot find a Debian mirror in the apt sources of this machine: run "apt-get update"',
    );
  }
  const security = mirrorOf('Debian-Security');
  const lines = [`deb [signed-by=${KEYRING}] ${main} ${SUITE} main`];
  if (security !== undefined) lines.push(`deb [signed-by=${KEYRING}] ${security} ${SUITE}-security main`);
  return lines;
}
