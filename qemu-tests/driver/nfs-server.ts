import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ChildProgram } from './child-process.ts';
import type { TestNetwork } from './network.ts';

const START_TIMEOUT_MS = 60_000;

export interface NfsOptions {
  /** Served as `HOST:/images`. */
  shareDir: string;
  /** The server's own files. */
  workDir: string;
}

/** A real NFS server (version 4) with one export; it needs nothing of the host's kernel. */
export class NfsServer implements AsyncDisposable {
  readonly #child: ChildProgram;

  private constructor(child: ChildProgram) {
    this.#child = child;
  }

  static async start(network: TestNetwork, { shareDir, workDir }: NfsOptions): Promise<NfsServer> {
    for (const dir of [shareDir, workDir]) await mkdir(dir, { recursive: true });
    const configPath = join(workDir, 'ganesha.conf');
    await writeFile(configPath, config({ host: network.host, shareDir, workDir }));
    const logPath = join(workDir, 'server.log');
    const args = ['-F', '-f', configPath, '-L', 'STDOUT', '-p', join(workDir, 'pid')];
    const { namespace } = network;
    const server = new NfsServer(await ChildProgram.start('ganesha.nfsd', args, { namespace, logPath }));
    try {
      await server.#child.expect(/NFS SERVER INITIALIZED/, START_TIMEOUT_MS);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }
}

function config({ host, shareDir, workDir }: { host: string; shareDir: string; workDir: string }): string {
  return `NFS_CORE_PARAM {
  Protocols = 4;
  Bind_addr = ${host};
  Enable_UDP = false;
  Enable_NLM = false;
  Enable_RQUOTA = false;
}
NFSV4 {
  Graceless = true;
  RecoveryBackend = fs;
  RecoveryRoot = ${workDir};
}
EXPORT {
  Export_Id = 1;
  Path = ${shareDir};
  Pseudo = /images;
  Protocols = 4;
  Access_Type = RW;
  Squash = No_Root_Squash;
  Sectype = sys;
  FSAL { Name = VFS; }
}
`;
}
