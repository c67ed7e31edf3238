import type { Edit } from '../edit.ts';
import { configText, lines } from './config-text.ts';
import { GRUB_FILES } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';

const BOOT_ENTRY_FOLDERS = ['/boot/loader/entries', '/boot/efi/loader/entries', '/efi/loader/entries'];
/** Names that depend on the controller or on the order in which disks are found. */
const DISK_NAME = /\/dev\/(?:(?:[hsvx]v?d[a-z]+|nvme\d+n\d+|mmcblk\d+)\w*|disk\/by-(?:id|path)\/\S+)/;

/** Reports what names a disk in a way that other hardware changes; only a person can know what was meant. */
export const diskNamesEdit: Edit<LinuxSystem> = {
  text: 'Check that /etc/fstab and the boot loader name file systems by UUID or label',
  async apply({ root }) {
    const entries: string[] = [];
    for (const folder of BOOT_ENTRY_FOLDERS) {
      for (const name of await root.list(folder))
        if (name.endsWith('.conf')) entries.push(`${folder}/${name}`);
    }
    const named: string[] = [];
    for (const path of ['/etc/fstab', ...GRUB_FILES, '/etc/kernel/cmdline', ...entries]) {
      const found = diskNameIn(lines(await configText(root, path)));
      if (found !== undefined) named.push(`${path} names ${found}`);
    }
    if (named.length === 0) return undefined;
    return `${named.join('; ')}: a computer whose disk has another name may not start; use UUID= in the master`;
  },
};

function diskNameIn(all: readonly string[]): string | undefined {
  for (const line of all) {
    const isFstab = /^\s*\/dev\//.test(line) && !/\s(?:iso9660|udf|auto)[\s,]/.test(line);
    const isKernel = /^\s*(?:linux|linux16|linuxefi|kernel|options|root=)/.test(line);
    const found = isFstab || isKernel ? DISK_NAME.exec(isKernel ? kernelRoot(line) : line)?.[0] : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function kernelRoot(line: string): string {
  return /(?:^|\s)root=(\S+)/.exec(line)?.[1] ?? '';
}
