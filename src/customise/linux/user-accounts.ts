import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { SystemRoot } from '../system-root.ts';
import { configText, lines } from './config-text.ts';
import type { LinuxFacts } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';

type User = Customisation['users'][number];

/** Below are accounts of the system itself (login.defs(5), older Red Hat). */
const UID_MIN = 500;

export function userEdits(customisation: Customisation, facts: LinuxFacts): Edit<LinuxSystem>[] {
  return customisation.users.map((user) => {
    const isAdmin = user.group === 'administrators';
    const group = isAdmin ? ` in group ${adminGroupOf(facts)}` : '';
    const locked = user.password === '' ? ', without a password to log on with' : '';
    return {
      text: `Make or update the user "${user.name}"${group}${locked}`,
      async apply(system) {
        await applyUser(system, user);
        if (isAdmin) await allowAdministrators(system);
        return undefined;
      },
    };
  });
}

function adminGroupOf({ family }: Pick<LinuxFacts, 'family'>): string {
  return family === 'debian' ? 'sudo' : 'wheel';
}

async function applyUser(system: LinuxSystem, user: User): Promise<void> {
  const { root, runInside } = system;
  const { name, password } = user;
  if (/[\x00-\x1f\x7f]/.test(password)) {
    throw new TdError('invalid', `Cannot set the password of "${name}": it has a control character`);
  }
  // The fields of passwd(5) and its comment are separated by these.
  const comment = user.fullName.replace(/[:,=\x00-\x1f\x7f]+\s*/g, ' ').trim();
  const uid = await uidOf(root, name);
  if (uid === undefined) {
    const shell = (await root.exists('/bin/bash')) ? '/bin/bash' : '/bin/sh';
    await runInside('useradd', ['-m', '-s', shell, '-c', comment, '--', name]);
  } else if (uid !== 0 && uid < UID_MIN) {
    throw new TdError('refused', `Cannot change the user "${name}": it is an account of the system itself`);
  } else if (comment !== '') await runInside('usermod', ['-c', comment, '--', name]);
  try {
    if (password !== '') await runInside('chpasswd', [], { input: `${name}:${password}\n` });
    if (user.group === 'administrators' && uid !== 0) await makeAdministrator(system, name);
  } catch (error) {
    if (uid === undefined) await runInside('userdel', ['-r', '--', name]).catch(() => {});
    throw error;
  }
}

async function makeAdministrator({ root, runInside, facts }: LinuxSystem, name: string): Promise<void> {
  const group = adminGroupOf(facts);
  if (!(await hasEntry(root, { path: '/etc/group', name: group })))
    await runInside('groupadd', ['-r', '--', group]);
  await runInside('usermod', ['-a', '-G', group, '--', name]);
}

/** Debian's and Fedora's sudo already lets the group do all; elsewhere that line is commented out. */
async function allowAdministrators({ root, facts }: LinuxSystem): Promise<void> {
  const folder = '/etc/sudoers.d';
  if (!(await root.exists(folder))) return;
  const group = adminGroupOf(facts);
  const paths = [
    '/etc/sudoers',
    '/usr/etc/sudoers',
    ...(await root.list(folder)).map((name) => `${folder}/${name}`),
  ];
  for (const path of paths) {
    const rule = new RegExp(`^\\s*%${group}\\s+ALL\\s*=`);
    if (lines(await configText(root, path)).some((line) => rule.test(line))) return;
  }
  const text = `Defaults:%${group} !targetpw\n%${group} ALL=(ALL) ALL\n`;
  await root.write(`${folder}/totaldeploy`, text, { mode: 0o440, uid: 0, gid: 0 });
}

async function uidOf(root: SystemRoot, name: string): Promise<number | undefined> {
  const entry = await entryOf(root, { path: '/etc/passwd', name });
  return entry === undefined ? undefined : Number(entry.split(':')[2]);
}

async function hasEntry(root: SystemRoot, where: { path: string; name: string }): Promise<boolean> {
  return (await entryOf(root, where)) !== undefined;
}

async function entryOf(
  root: SystemRoot,
  { path, name }: { path: string; name: string },
): Promise<string | undefined> {
  return lines(await configText(root, path)).find((line) => line.startsWith(`${name}:`));
}
