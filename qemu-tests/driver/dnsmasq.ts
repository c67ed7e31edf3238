import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ChildProgram } from './child-process.ts';
import {
  dnsmasqConfig,
  type PxeHost,
  sentFiles,
  type TftpTransfer,
  tftpEntryName,
} from './dnsmasq-config.ts';
import { TestNetwork } from './network.ts';
import { patientMs } from './patience.ts';

/** A real PXE server (DHCP and TFTP) in a test's network. */
export class Dnsmasq implements AsyncDisposable {
  readonly #child: ChildProgram;

  private constructor(child: ChildProgram) {
    this.#child = child;
  }

  /** @param workDir an empty folder for its configuration, leases and TFTP entries. */
  static async start(
    network: TestNetwork,
    options: { hosts: readonly PxeHost[]; workDir: string; logPath: string },
  ): Promise<Dnsmasq> {
    const tftpRoot = join(options.workDir, 'tftp');
    await mkdir(tftpRoot, { recursive: true });
    for (const host of options.hosts) {
      if (host.pxeDir !== undefined) await symlink(host.pxeDir, join(tftpRoot, tftpEntryName(host.mac)));
    }
    const configPath = join(options.workDir, 'dnsmasq.conf');
    const leasePath = join(options.workDir, 'leases');
    const prefix = network.host.split('.').slice(0, 3).join('.');
    const { mtuBytes } = network;
    const plan = {
      interface: TestNetwork.BRIDGE,
      prefix,
      mtuBytes,
      hosts: options.hosts,
      tftpRoot,
      leasePath,
    };
    await writeFile(configPath, dnsmasqConfig(plan));
    const args = ['--no-daemon', '--user=root', `--conf-file=${configPath}`];
    const { namespace } = network;
    const child = await ChildProgram.start('dnsmasq', args, { namespace, logPath: options.logPath });
    try {
      await child.expect(/sockets bound exclusively|DHCP, sockets bound|TFTP root is/, patientMs(10_000));
      return new Dnsmasq(child);
    } catch (error) {
      await child.stop();
      throw error;
    }
  }

  /** Files sent completely so far. */
  async sent(): Promise<TftpTransfer[]> {
    return sentFiles(await this.#child.output());
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
