import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import { lines, textOf } from './config-text.ts';
import { findProgram } from './installed.ts';
import type { LinuxSystem } from './linux-system.ts';

const JOIN_ATTEMPTS_MAX = 3;
const SMB_CONF = '/etc/samba/smb.conf';

export function membershipEdits({ membership }: Customisation): Edit<LinuxSystem>[] {
  if (membership.kind === 'keep') return [];
  return [membership.kind === 'domain' ? joinEdit(membership) : workgroupEdit(membership.name)];
}

type Domain = Extract<Customisation['membership'], { kind: 'domain' }>;

function joinEdit({ name, user, password, ou }: Domain): Edit<LinuxSystem> {
  return {
    text: `Join the domain ${name} as "${user}" at the first start${ou === '' ? '' : `, into ${ou}`}`,
    async apply({ root, firstStart }) {
      const realm = await findProgram(root, 'realm');
      if (realm === undefined)
        return 'the master has no realmd; install realmd and what it needs in the master';
      if (/[\r\n\0]/.test(password))
        throw new TdError('invalid', 'Cannot join the domain: the password has a line end');
      firstStart.push({
        name: `join the domain ${name}`,
        command: [
          realm,
          'join',
          '--unattended',
          `--user=${kerberosUser(user)}`,
          ...(ou === '' ? [] : [`--computer-ou=${ou}`]),
          '--',
          name,
        ],
        secret: password,
        attemptsMax: JOIN_ATTEMPTS_MAX,
      });
      return undefined;
    },
  };
}

/** Kerberos knows no `DOMAIN\`, and writes realms in capitals. */
function kerberosUser(user: string): string {
  const [name = '', realm] = user.replace(/^.*\\/, '').split('@');
  return realm === undefined ? name : `${name}@${realm.toUpperCase()}`;
}

function workgroupEdit(name: string): Edit<LinuxSystem> {
  return {
    text: `Set the workgroup "${name}"`,
    async apply({ root }) {
      if (!(await root.exists(SMB_CONF)))
        return 'Samba, which alone has workgroups on Linux, is not installed';
      await root.write(SMB_CONF, smbConfText(await root.readText(SMB_CONF), name));
      return undefined;
    },
  };
}

/** smb.conf(5): names of sections and parameters in any case; settings before any section are global. */
export function smbConfText(text: string, workgroup: string): string {
  let inGlobal = true;
  const kept = lines(text).filter((line) => {
    const section = /^\s*\[(.*?)\]/.exec(line)?.[1];
    if (section !== undefined) inGlobal = section.trim().toLowerCase() === 'global';
    return !(inGlobal && /^\s*work\s*group\s*=/i.test(line));
  });
  const at = kept.findIndex((line) => /^\s*\[\s*global\s*\]/i.test(line));
  if (at < 0) kept.unshift('[global]', `   workgroup = ${workgroup}`);
  else kept.splice(at + 1, 0, `   workgroup = ${workgroup}`);
  return textOf(kept);
}
