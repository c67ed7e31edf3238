import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { SystemRoot } from '../system-root.ts';
import { assignmentOf, configText, lines, textOf, withAssignment, withoutAssignment } from './config-text.ts';
import type { LinuxSystem } from './linux-system.ts';

/** Name and full name with the DNS suffix; the domain joined is the suffix where there is no other. */
export function hostNamesOf({
  computerName,
  network,
  membership,
}: Customisation): { short: string; full: string } | undefined {
  if (computerName === undefined) return undefined;
  const short = computerName;
  const suffix = network.kind === 'keep' ? '' : network.dnsSuffix;
  const domain = suffix || (membership.kind === 'domain' ? membership.name : '');
  return { short, full: domain === '' ? short : `${short}.${domain}` };
}

export function hostNameEdits(customisation: Customisation): Edit<LinuxSystem>[] {
  const names = hostNamesOf(customisation);
  if (names === undefined) return [];
  return [
    {
      text: `Name the computer "${names.full}"`,
      async apply({ root, facts }) {
        const hosts = await configText(root, '/etc/hosts');
        await root.write('/etc/hostname', `${names.short}\n`);
        await root.write('/etc/hosts', hostsText(hosts, { ...names, old: facts.hostname }));
        await writeOlderFiles(root, { full: names.full, systemd: facts.systemd });
        return undefined;
      },
    },
  ];
}

async function writeOlderFiles(
  root: SystemRoot,
  { full, systemd }: { full: string; systemd: boolean },
): Promise<void> {
  const isOwnFile = (await root.linkTarget('/etc/HOSTNAME')) === undefined;
  if (isOwnFile && (await root.exists('/etc/HOSTNAME'))) await root.write('/etc/HOSTNAME', `${full}\n`);
  const sysconfig = await configText(root, '/etc/sysconfig/network');
  const isRedHat = await root.exists('/etc/sysconfig/network-scripts');
  if (assignmentOf(sysconfig, 'HOSTNAME') !== undefined || (isRedHat && !systemd)) {
    await root.write('/etc/sysconfig/network', withAssignment(sysconfig, 'HOSTNAME', full));
  }
  const shown = await configText(root, '/etc/machine-info');
  if (assignmentOf(shown, 'PRETTY_HOSTNAME') === undefined) return;
  await root.write('/etc/machine-info', withoutAssignment(shown, 'PRETTY_HOSTNAME'));
}

/** hosts(5) without the old name, and with the new one at 127.0.1.1 (Debian Reference, 5.1.1). */
export function hostsText(text: string, names: { short: string; full: string; old: string }): string {
  const old = names.old.toLowerCase();
  const isOld = (name: string) => {
    const lower = name.toLowerCase();
    return old !== '' && old !== 'localhost' && (lower === old || lower.startsWith(`${old}.`));
  };
  const kept: string[] = [];
  for (const line of lines(text)) {
    const [entry = '', ...comment] = line.split('#');
    const [address, ...hosts] = entry.trim().split(/\s+/);
    if (address === '127.0.1.1') continue;
    if (!hosts.some(isOld)) {
      kept.push(line);
      continue;
    }
    const others = hosts.filter((name) => !isOld(name));
    const tail = comment.length > 0 ? ` #${comment.join('#')}` : '';
    if (others.length > 0) kept.push(`${address}\t${others.join(' ')}${tail}`);
  }
  const own = names.full === names.short ? names.short : `${names.full} ${names.short}`;
  const after = kept.findLastIndex((line) => /^\s*127\./.test(line));
  kept.splice(after + 1, 0, `127.0.1.1\t${own}`);
  return textOf(kept);
}
