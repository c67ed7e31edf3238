import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TdError } from '../../src/lib/errors.ts';
import { type RunResult, run } from '../../src/lib/spawn.ts';
import { ChildProgram } from './child-process.ts';
import { TestNetwork } from './network.ts';
import { patientMs } from './patience.ts';
import { PROGRAM_PATH } from './project-paths.ts';

const START_TIMEOUT_MS = 30_000;
const COMMAND_TIMEOUT_MS = 120_000;

export interface ConsoleOptions {
  dataDir: string;
  /** Takes the console's output, its log included. */
  logPath: string;
  /** Further arguments of `totaldeploy console`. */
  args?: readonly string[];
}

export interface CommandOptions {
  /** Default [0]. */
  okCodes?: readonly number[];
  /** Default 120,000. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** The built program as console in a test's network, and its command line beside it. */
export class ConsoleProcess implements AsyncDisposable {
  readonly dataDir: string;
  readonly #network: TestNetwork;
  readonly #options: ConsoleOptions;
  #child: ChildProgram;

  private constructor(network: TestNetwork, child: ChildProgram, options: ConsoleOptions) {
    this.#network = network;
    this.#child = child;
    this.#options = options;
    this.dataDir = options.dataDir;
  }

  static async start(network: TestNetwork, options: ConsoleOptions): Promise<ConsoleProcess> {
    if (!existsSync(PROGRAM_PATH)) {
      throw new TdError(
        'not-found',
        `Cannot start the console: "${PROGRAM_PATH}" is missing; run "npm run appliance"`,
      );
    }
    const started = new ConsoleProcess(network, await launch(network, options), options);
    try {
      await started.#ready();
      return started;
    } catch (error) {
      await started.#child.stop();
      throw error;
    }
  }

  /** Ready when it answers a command; the log's wording may change. */
  async #ready(): Promise<void> {
    const endMs = performance.now() + patientMs(START_TIMEOUT_MS);
    for (;;) {
      if (!this.#child.running) {
        const words = (await this.#child.output()).trim().slice(-600);
        throw new TdError('tool-failed', `The console ended while starting: ${words}`);
      }
      const { code } = await this.run(['computers', '--json'], { okCodes: [0, 1] });
      if (code === 0) return;
      if (performance.now() > endMs) throw new TdError('timeout', 'The console did not answer in time');
    }
  }

  /** Where an image of this name lies. */
  imagePath(name: string): string {
    return join(this.dataDir, 'images', `${name}.sco`);
  }

  get running(): boolean {
    return this.#child.running;
  }

  async output(): Promise<string> {
    return await this.#child.output();
  }

  async expect(pattern: RegExp, timeoutMs: number): Promise<RegExpMatchArray> {
    return await this.#child.expect(pattern, patientMs(timeoutMs));
  }

  /** Runs one command against this console, inside its network. */
  async run(args: readonly string[], options: CommandOptions = {}): Promise<RunResult> {
    return await this.program([...args, '--data', this.dataDir], options);
  }

  /** Runs the program for something that needs no console, such as `image check`. */
  async program(args: readonly string[], options: CommandOptions = {}): Promise<RunResult> {
    const timeoutMs = patientMs(options.timeoutMs ?? COMMAND_TIMEOUT_MS);
    const inNamespace = ['netns', 'exec', this.#network.namespace, PROGRAM_PATH];
    return await run('ip', [...inNamespace, ...args], { ...options, timeoutMs });
  }

  /** Runs a command with `--json` and returns what it printed, parsed. */
  async json(args: readonly string[], options: { timeoutMs?: number } = {}): Promise<unknown> {
    const { stdout } = await this.run([...args, '--json'], options);
    return JSON.parse(stdout);
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }

  /** Starts it again on the same data. */
  async restart(): Promise<void> {
    await this.#child.stop();
    this.#child = await launch(this.#network, this.#options);
    await this.#ready();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }
}

async function launch(network: TestNetwork, options: ConsoleOptions): Promise<ChildProgram> {
  const args = ['console', '--headless', '--data', options.dataDir, '--interface', TestNetwork.BRIDGE];
  return await ChildProgram.start(PROGRAM_PATH, [...args, ...(options.args ?? [])], {
    namespace: network.namespace,
    logPath: options.logPath,
  });
}
