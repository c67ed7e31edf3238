import type { Customisation } from '../schema/customisation.ts';
import type { SystemFamily } from './customise-system.ts';
import { linuxEdits } from './linux/linux-edits.ts';
import type { LinuxFacts } from './linux/linux-facts.ts';
import type { MachineFacts } from './machine-facts.ts';
import { windowsEdits } from './windows/windows-edits.ts';
import type { WindowsFacts } from './windows/windows-system.ts';

/** What stands for a system that nobody has looked at yet. */
const WINDOWS: WindowsFacts = {
  ...{ systemDir: 'Windows', systemDrive: 'C:', release: { major: 10, minor: 0, build: 19_045 } },
  ...{ productName: 'Windows 10', architecture: 'amd64', controlSets: ['ControlSet001'] },
  ...{ sysprepped: false, hasPowerShell: true },
};
const LINUX: LinuxFacts = {
  ...{ name: 'Linux', family: 'debian', hostname: 'master', network: 'networkmanager', systemd: true },
  ...{ usrMerged: true, initramfs: undefined, bootLoader: 'grub', selinux: false, cloudInit: false },
};

/** The edits in words before there is a disk: as for Windows 10, or a Debian with NetworkManager. */
export function plannedWords(
  customisation: Customisation,
  options: { family: SystemFamily; machine: MachineFacts },
): string[] {
  const { family, machine } = options;
  const edits =
    family === 'windows'
      ? windowsEdits(customisation, WINDOWS, machine)
      : linuxEdits(customisation, LINUX, machine);
  return edits.map(({ text }) => text);
}
