import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import { assignmentOf, configText } from './config-text.ts';
import type { LinuxFacts } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';
import { transferredPath } from './transferred-files.ts';

const LABELLED = ['/etc', '/home', '/root', '/var/lib', '/var/spool/mail'];
const LABEL_TIMEOUT_MS = 10 * 60_000;

/** Files made where SELinux does not run have no label, and an enforcing system would refuse to log anyone on. */
export function selinuxEdits({ files }: Customisation, facts: LinuxFacts): Edit<LinuxSystem>[] {
  if (!facts.selinux) return [];
  return [
    {
      text: 'Label the changed files for SELinux',
      async apply({ root, runInside }) {
        const config = await configText(root, '/etc/selinux/config');
        const policy = assignmentOf(config, 'SELINUXTYPE') ?? 'targeted';
        const contexts = `/etc/selinux/${policy}/contexts/files/file_contexts`;
        const paths: string[] = [];
        for (const path of [...LABELLED, ...files.map(transferredPath)])
          if (await root.exists(path)) paths.push(path);
        try {
          await runInside('setfiles', ['-F', contexts, ...paths], { timeoutMs: LABEL_TIMEOUT_MS });
        } catch {
          await root.write('/.autorelabel', '-F\n');
        }
        return undefined;
      },
    },
  ];
}
