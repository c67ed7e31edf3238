import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/lib/spawn.ts';
import { ChildProgram } from './child-process.ts';
import type { TestNetwork } from './network.ts';

/** Samba wants an account of the system; everything below runs as root anyway. */
export const SMB_USER = 'root';

export interface SambaOptions {
  /** Served as `//HOST/images`. */
  shareDir: string;
  /** Samba's own files. */
  workDir: string;
  password: string;
  logPath: string;
}

/** A real SMB server with one share that wants a password. */
export class Samba implements AsyncDisposable {
  readonly share: string;
  readonly #child: ChildProgram;

  private constructor(child: ChildProgram, share: string) {
    this.#child = child;
    this.share = share;
  }

  static async start(network: TestNetwork, options: SambaOptions): Promise<Samba> {
    const { namespace, host } = network;
    const { shareDir, workDir, password, logPath } = options;
    for (const dir of [shareDir, workDir]) await mkdir(dir, { recursive: true });
    const configPath = join(workDir, 'smb.conf');
    await writeFile(configPath, config({ host, shareDir, workDir }));
    await run('smbpasswd', ['-c', configPath, '-s', '-a', SMB_USER], { input: `${password}\n${password}\n` });
    // In a process group of its own: as it ends it signals the whole group.
    const args = ['--foreground', '--debug-stdout', '-s', configPath];
    return new Samba(await ChildProgram.start('smbd', args, { namespace, logPath }), `//${host}/images`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }
}

const OWN_DIRS = [
  'private dir',
  'ncalrpc dir',
  'lock directory',
  'state directory',
  'cache directory',
  'pid directory',
];

function config({ host, shareDir, workDir }: { host: string; shareDir: string; workDir: string }): string {
  return `[global]
server role = standalone server
interfaces = ${host}
bind interfaces only = yes
smb ports = 445
disable netbios = yes
load printers = no
${OWN_DIRS.map((name) => `${name} = ${workDir}`).join('\n')}
[images]
path = ${shareDir}
read only = no
`;
}
