import { join } from 'node:path';
import { sleep } from '../../src/lib/clock.ts';
import { TdError } from '../../src/lib/errors.ts';
import { type RunResult, run } from '../../src/lib/spawn.ts';
import type { TestNetwork } from './network.ts';
import { patientMs } from './patience.ts';

const POLL_MS = 1000;
/** sshpass(1): the server asked for the password again. */
const WRONG_PASSWORD = 5;
/** ssh(1): no connection. */
const NO_CONNECTION = 255;

export interface SshAccount {
  address: string;
  name: string;
  password: string;
}

export interface SshCommand {
  /** What the programs there read. */
  input?: string;
  /** Until the server answers and the command ends. */
  timeoutMs: number;
}

/** Logs on with a password from the network of a lab, and runs commands. */
export class SshClient {
  readonly #namespace: string;
  readonly #account: SshAccount;
  /** Takes the key of the server as it was shown at the first connection. */
  readonly knownHostsPath: string;

  constructor({ namespace }: TestNetwork, account: SshAccount, dir: string) {
    this.#namespace = namespace;
    this.#account = account;
    this.knownHostsPath = join(dir, `known-hosts-${account.address}`);
  }

  /**
   * Runs one command, word by word; waits for a server that does not answer yet.
   *
   * @throws TdError `refused` when the server does not take the password; `timeout`; `tool-failed` when the command
   *   does not end with 0.
   */
  async run(words: readonly string[], { input, timeoutMs }: SshCommand): Promise<string> {
    const endMs = performance.now() + patientMs(timeoutMs);
    for (;;) {
      const leftMs = Math.max(1000, endMs - performance.now());
      const { code, stdout, stderr } = await this.#once(words, { input: input ?? '', timeoutMs: leftMs });
      if (code === 0) return stdout;
      const { name, address } = this.#account;
      const said = stderr.trim().slice(-400);
      if (code === WRONG_PASSWORD || /Permission denied/.test(stderr)) {
        throw new TdError('refused', `${address} does not take the password of "${name}": ${said}`);
      }
      if (code !== NO_CONNECTION) {
        throw new TdError('tool-failed', `"${words[0]}" on ${address} ended with ${code}: ${said}`);
      }
      if (performance.now() > endMs) throw new TdError('timeout', `${address} does not answer: ${said}`);
      await sleep(POLL_MS);
    }
  }

  async #once(
    words: readonly string[],
    { input, timeoutMs }: { input: string; timeoutMs: number },
  ): Promise<RunResult> {
    const { name, address, password } = this.#account;
    const settings = {
      UserKnownHostsFile: this.knownHostsPath,
      GlobalKnownHostsFile: 'none',
      StrictHostKeyChecking: 'accept-new',
      HashKnownHosts: 'no',
      HostKeyAlgorithms: 'ssh-ed25519',
      PreferredAuthentications: 'password',
      NumberOfPasswordPrompts: '1',
      ConnectTimeout: '20',
      LogLevel: 'ERROR',
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    const target = ['-l', name, address, '--', words.map(quoted).join(' ')];
    const ssh = ['sshpass', '-e', 'ssh', '-F', 'none', ...options, ...target];
    return await run('ip', ['netns', 'exec', this.#namespace, ...ssh], {
      okCodes: Array.from({ length: 256 }, (_, code) => code),
      env: { SSHPASS: password },
      input,
      timeoutMs,
    });
  }
}

/** The far side joins the words again and has a shell split them. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
