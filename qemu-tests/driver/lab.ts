import { rmSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorLine } from '../../src/lib/errors.ts';
import { ConsoleProcess } from './console-process.ts';
import { Dnsmasq } from './dnsmasq.ts';
import type { PxeHost } from './dnsmasq-config.ts';
import { HttpServer } from './http-server.ts';
import { onInterrupt } from './last-resort.ts';
import { TestNetwork } from './network.ts';
import { ensureDir, FAILURES_DIR, LABS_DIR } from './project-paths.ts';
import type { VmNic, VmSpec } from './qemu-arguments.ts';
import { Samba } from './samba.ts';
import { Vm } from './vm.ts';

/** Logs larger than this are program output gone wild, not evidence. */
const SCREENSHOTS_MAX = 16;

export interface LabOptions {
  /** Names the folder of what a failure leaves behind: lower-case letters, digits, dashes. */
  name: string;
  /** The command that runs the same again. */
  reproduce: string;
  igmpSnooping?: boolean;
  /** Default 9000. */
  mtuBytes?: number;
}

/** A machine in a lab: its cards are named by MAC and get a port of the lab's switch each. */
export type LabVmSpec = Omit<VmSpec, 'nics'> & { nics: readonly Omit<VmNic, 'tap'>[] };

/**
 * One test's world: a network, its servers and machines, and a folder for their files. Disposal takes it all
 * away; a failed step leaves evidence below `dist/test-failures/NAME/STEP`.
 */
export class Lab implements AsyncDisposable {
  readonly name: string;
  /** Scratch files and logs; removed at the end. */
  readonly dir: string;
  readonly network: TestNetwork;
  readonly #reproduce: string;
  readonly #vms: Vm[] = [];
  readonly #stack: AsyncDisposableStack;

  private constructor(
    options: LabOptions,
    parts: { dir: string; network: TestNetwork; stack: AsyncDisposableStack },
  ) {
    this.name = options.name;
    this.#reproduce = options.reproduce;
    this.dir = parts.dir;
    this.network = parts.network;
    this.#stack = parts.stack;
  }

  static async create(options: LabOptions): Promise<Lab> {
    await using stack = new AsyncDisposableStack();
    const dir = await mkdtemp(join(ensureDir(LABS_DIR), `${options.name}-`));
    const forget = onInterrupt(() => rmSync(dir, { recursive: true, force: true }));
    stack.defer(async () => {
      await rm(dir, { recursive: true, force: true });
      forget();
    });
    const capturePath = join(dir, 'network.pcap');
    const { igmpSnooping = false, mtuBytes } = options;
    const mtu = mtuBytes === undefined ? {} : { mtuBytes };
    const network = stack.use(await TestNetwork.create({ capturePath, igmpSnooping, ...mtu }));
    return new Lab(options, { dir, network, stack: stack.move() });
  }

  /** Something whose life ends with the lab's. */
  use<T extends AsyncDisposable>(handle: T): T {
    return this.#stack.use(handle);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** A real PXE server for the given computers; `id` tells several of one test apart. */
  async startPxeServer(hosts: readonly PxeHost[], id = 'dnsmasq'): Promise<Dnsmasq> {
    const workDir = this.path(id);
    await mkdir(workDir);
    return this.use(await Dnsmasq.start(this.network, { hosts, workDir, logPath: this.path(`${id}.log`) }));
  }

  /** A web server beside the PXE server; all exported trees have the same payload, so one serves all. */
  async startHttpServer(rootDir: string): Promise<HttpServer> {
    return this.use(await HttpServer.start(this.network, { rootDir, logPath: this.path('http.log') }));
  }

  /** A real SMB server; its share's files are below `shareDir`. */
  async startSmbServer(shareDir: string, password: string): Promise<Samba> {
    const options = { shareDir, password, workDir: this.path('samba'), logPath: this.path('samba.log') };
    return this.use(await Samba.start(this.network, options));
  }

  /** The built program as console; `id` tells several of one test apart, each with data of its own. */
  async startConsole(id = 'console', args: readonly string[] = []): Promise<ConsoleProcess> {
    const dataDir = this.path(`${id}-data`);
    const options = { dataDir, logPath: this.path(`${id}.log`), args };
    return this.use(await ConsoleProcess.start(this.network, options));
  }

  async startVm(spec: LabVmSpec): Promise<Vm> {
    const nics: VmNic[] = [];
    for (const nic of spec.nics) nics.push({ ...nic, tap: await this.network.addTap() });
    const { namespace } = this.network;
    const vm = this.use(await Vm.start({ ...spec, nics }, { namespace, logDir: this.dir }));
    this.#vms.push(vm);
    return vm;
  }

  /**
   * Runs one step of a test. When it throws, logs, screenshots and the packet capture are kept and the error
   * says where, and how to run the same again.
   */
  async step<T>(title: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      const evidence = await this.#saveEvidence(title, error).catch((why) => `nowhere: ${errorLine(why)}`);
      const message = `${title}: ${errorLine(error)}\n  evidence: ${evidence}\n  again: ${this.#reproduce}`;
      throw new Error(message, { cause: error });
    }
  }

  async #saveEvidence(title: string, error: unknown): Promise<string> {
    const outDir = join(FAILURES_DIR, this.name, title.replaceAll(/\W+/g, '-'));
    await rm(outDir, { recursive: true, force: true });
    await mkdir(outDir, { recursive: true });
    for (const vm of this.#vms.slice(-SCREENSHOTS_MAX)) {
      if (vm.running) await vm.screenshot(join(outDir, `${vm.name}.png`)).catch(() => {});
    }
    const commands = this.#vms.map((vm) => `# ${vm.name}\n${vm.command}\n`).join('\n');
    await writeFile(join(outDir, 'machines.txt'), commands);
    for (const name of await readdir(this.dir)) {
      if (/\.(log|pcap|json)$/.test(name)) await copyFile(join(this.dir, name), join(outDir, name));
    }
    const text = `${title}\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n\nagain: ${this.#reproduce}\n`;
    await writeFile(join(outDir, 'failure.txt'), text);
    return outDir;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
