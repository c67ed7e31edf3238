import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../src/lib/clock.ts';
import { TdError } from '../../src/lib/errors.ts';
import { ChildProgram, commandLine } from './child-process.ts';
import { patientMs } from './patience.ts';
import { qemuArguments, uefiVariablesTemplate, type VmFiles, type VmSpec } from './qemu-arguments.ts';
import { QmpClient } from './qmp.ts';
import { decodeTextScreen, TEXT_SCREEN_ADDRESS, TEXT_SCREEN_BYTES } from './screen-text.ts';
import { SerialConsole } from './serial-console.ts';

const QEMU = 'qemu-system-x86_64';
const SOCKET_TIMEOUT_MS = 20_000;
const KEY_HOLD_MS = 50;

export interface VmStartOptions {
  /** Namespace with the taps of the machine's cards. */
  namespace?: string;
  /** Where serial log and program output stay. */
  logDir: string;
  /** The machine is killed when it is still there after this time; default 30 minutes. */
  lifetimeMs?: number;
}

/** One running virtual machine; disposal switches it off. */
export class Vm implements AsyncDisposable {
  readonly spec: VmSpec;
  readonly serial: SerialConsole;
  readonly qmp: QmpClient;
  readonly serialLog: string;
  /** The command that starts the same machine by hand. */
  readonly command: string;
  readonly startedMs = performance.now();
  readonly #child: ChildProgram;
  readonly #dir: string;
  readonly #lifetime: NodeJS.Timeout;

  private constructor(
    spec: VmSpec,
    parts: { serial: SerialConsole; qmp: QmpClient; child: ChildProgram; dir: string; files: VmFiles },
    options: { lifetimeMs: number; command: string },
  ) {
    this.spec = spec;
    this.serial = parts.serial;
    this.qmp = parts.qmp;
    this.serialLog = parts.files.serialLog;
    this.command = options.command;
    this.#child = parts.child;
    this.#dir = parts.dir;
    this.#lifetime = setTimeout(() => this.#child.kill('SIGKILL'), options.lifetimeMs);
    this.#lifetime.unref();
  }

  /** Starts the machine with its serial line and monitor connected before its first instruction. */
  static async start(spec: VmSpec, options: VmStartOptions): Promise<Vm> {
    // UNIX socket paths end at 107 bytes, so they cannot lie below the checkout.
    const dir = await mkdtemp(join(tmpdir(), 'td-vm-'));
    const files: VmFiles = {
      serialSocket: join(dir, 'serial'),
      serialLog: join(options.logDir, `${spec.name}.serial.log`),
      qmpSocket: join(dir, 'qmp'),
      uefiVariables: join(dir, 'vars.fd'),
    };
    if (spec.firmware !== 'bios') await copyFile(uefiVariablesTemplate(spec.firmware), files.uefiVariables);
    const args = qemuArguments(spec, files);
    const child = await ChildProgram.start(QEMU, args, {
      logPath: join(options.logDir, `${spec.name}.qemu.log`),
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    });
    try {
      const serial = await whenReady(child, () => SerialConsole.connect(spec.name, files.serialSocket));
      const qmp = await whenReady(child, () => QmpClient.connect(files.qmpSocket));
      const command = commandLine(QEMU, args, options.namespace).join(' ');
      const lifetimeMs = options.lifetimeMs ?? patientMs(1_800_000);
      const vm = new Vm(spec, { serial, qmp, child, dir, files }, { lifetimeMs, command });
      await qmp.execute('cont');
      return vm;
    } catch (error) {
      await child.stop();
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  get name(): string {
    return this.spec.name;
  }

  get running(): boolean {
    return this.#child.running;
  }

  /** Seconds since power-on. */
  get upSeconds(): number {
    return (performance.now() - this.startedMs) / 1000;
  }

  /** Waits for words on the serial line; the time is stretched on slow machines. */
  async expect(
    pattern: RegExp,
    timeoutMs: number,
    options: { failOn?: RegExp } = {},
  ): Promise<RegExpMatchArray> {
    const hasEnded = () => !this.#child.running;
    return await this.serial.expect(pattern, patientMs(timeoutMs), { ...options, hasEnded });
  }

  /** Waits until the guest switches off or restarts (see `endAtRestart`). */
  async waitForEnd(timeoutMs: number): Promise<void> {
    const limitMs = patientMs(timeoutMs);
    const timer = AbortSignal.timeout(limitMs);
    const late = new Promise<'late'>((resolve) => timer.addEventListener('abort', () => resolve('late')));
    if ((await Promise.race([this.#child.exited, late])) === 'late') {
      const words = JSON.stringify(this.serial.unread.slice(-400));
      throw new TdError('timeout', `${this.name} was still running after ${limitMs} ms: ${words}`);
    }
  }

  sendLine(text: string): void {
    this.serial.sendLine(text);
  }

  /** @param keys QEMU key names, pressed together, e.g. `['ctrl', 'c']`. */
  async pressKeys(keys: readonly string[]): Promise<void> {
    const qcodes = keys.map((data) => ({ type: 'qcode', data }));
    await this.qmp.execute('send-key', { keys: qcodes, 'hold-time': KEY_HOLD_MS });
  }

  /** The screen as a PNG file. */
  async screenshot(path: string): Promise<void> {
    await this.qmp.execute('screendump', { filename: path, format: 'png' });
  }

  /** The text a person sees; only in BIOS text mode. */
  async screenText(): Promise<string> {
    const filename = join(this.#dir, 'screen');
    await this.qmp.execute('pmemsave', { val: TEXT_SCREEN_ADDRESS, size: TEXT_SCREEN_BYTES, filename });
    return decodeTextScreen(await readFile(filename));
  }

  /** Waits until the BIOS text screen matches. */
  async expectScreen(pattern: RegExp, timeoutMs: number): Promise<string> {
    const endMs = performance.now() + patientMs(timeoutMs);
    for (;;) {
      const text = await this.screenText();
      if (pattern.test(text)) return text;
      if (performance.now() > endMs) {
        throw new TdError(
          'timeout',
          `The screen of ${this.name} never showed ${pattern}: ${JSON.stringify(text)}`,
        );
      }
      await sleep(200);
    }
  }

  /** Pulls or plugs the cable of a card. */
  async setLink(up: boolean, nic = 0): Promise<void> {
    await this.qmp.execute('set_link', { name: `net${nic}`, up });
  }

  /** Like pulling the power cord. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#lifetime);
    this.serial.close();
    this.qmp.close();
    if (this.#child.running) await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

async function whenReady<T>(child: ChildProgram, connect: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + SOCKET_TIMEOUT_MS;
  for (;;) {
    try {
      return await connect();
    } catch (cause) {
      if (!child.running || performance.now() > endMs) {
        const words = (await child.output()).trim().slice(-400);
        throw new TdError('tool-failed', `Cannot start ${child.program}: ${words}`, { cause });
      }
    }
    await sleep(20);
  }
}
