import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { until } from '../../testdata/test-console.ts';

const ANSWER_MS_MAX = 20_000;

/** A real browser without a window, driven by the DevTools protocol over its pipe: JSON messages that end in NUL. */
export class Chromium implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #dir: string;
  readonly #pending = new Map<number, (answer: { result?: unknown; error?: unknown }) => void>();
  /** What the page wrote to its console as errors, and exceptions of its script. */
  readonly problems: string[] = [];
  #nextId = 1;
  #sessionId = '';

  private constructor(child: ChildProcess, dir: string) {
    this.#child = child;
    this.#dir = dir;
    let held = '';
    (child.stdio[4] as Readable).on('data', (part: Buffer) => {
      const messages = (held + part.toString()).split('\0');
      held = messages.pop() ?? '';
      for (const message of messages) this.#take(JSON.parse(message));
    });
  }

  static async start(): Promise<Chromium> {
    const dir = await mkdtemp(join(tmpdir(), 'td-chromium-'));
    const child = spawn(
      'chromium',
      [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
        ...[
          '--ignore-certificate-errors',
          '--remote-debugging-pipe',
          `--user-data-dir=${dir}`,
          'about:blank',
        ],
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true },
    );
    const one = new Chromium(child, dir);
    try {
      const { targetInfos } = (await one.send('Target.getTargets')) as {
        targetInfos: { targetId: string; type: string }[];
      };
      const targetId = targetInfos.find((target) => target.type === 'page')!.targetId;
      const attached = await one.send('Target.attachToTarget', { targetId, flatten: true });
      one.#sessionId = (attached as { sessionId: string }).sessionId;
      for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await one.send(`${domain}.enable`);
    } catch (error) {
      await one[Symbol.asyncDispose]();
      throw error;
    }
    return one;
  }

  async send(method: string, params: object = {}): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    const answered = Promise.withResolvers<{ result?: unknown; error?: unknown }>();
    this.#pending.set(id, answered.resolve);
    const session = this.#sessionId === '' ? {} : { sessionId: this.#sessionId };
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const timer = setTimeout(() => answered.resolve({ error: 'no answer' }), ANSWER_MS_MAX);
    const { result, error } = await answered.promise;
    clearTimeout(timer);
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  async open(url: string): Promise<void> {
    await this.send('Page.navigate', { url });
    await until(async () => (await this.evaluate('document.readyState')) === 'complete', url);
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      ...{ expression, returnByValue: true, awaitPromise: true },
    })) as { result: { value?: unknown }; exceptionDetails?: object };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** Waits until the page shows a text that matches. */
  async shows(text: RegExp): Promise<void> {
    let shown = '';
    const look = async () => {
      shown = String(await this.evaluate('document.body.innerText').catch(() => ''));
      return text.test(shown);
    };
    await until(look, `the page to show ${text}`).catch((error) => {
      throw new Error(`${error.message}; it shows: ${shown}`);
    });
  }

  async type(text: string): Promise<void> {
    await this.send('Input.insertText', { text });
  }

  async press(key: string): Promise<void> {
    const text = key === 'Enter' ? { text: '\r' } : {};
    const code = { Enter: 13, Escape: 27, Tab: 9 }[key] ?? 0;
    const shared = { key, code: key, windowsVirtualKeyCode: code };
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...shared, ...text });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...shared });
  }

  async look(options: { width: number; height: number; dark?: boolean; offline?: boolean }): Promise<void> {
    const { width, height, dark = false, offline = false } = options;
    await this.send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
    await this.send('Emulation.setEmulatedMedia', { features });
    const network = { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await this.send('Network.emulateNetworkConditions', network);
  }

  async picture(): Promise<Buffer> {
    const { data } = (await this.send('Page.captureScreenshot', { format: 'png' })) as { data: string };
    return Buffer.from(data, 'base64');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      // Its own group: the browser has many processes.
      process.kill(-pid, 'SIGKILL');
      await ended;
    }
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #take(message: { id?: number; method?: string; params?: object; result?: unknown; error?: unknown }): void {
    if (message.id !== undefined) {
      this.#pending.get(message.id)?.(message);
      this.#pending.delete(message.id);
      return;
    }
    const entry = (message.params as { entry?: { level?: string } } | undefined)?.entry;
    if (message.method === 'Runtime.exceptionThrown' || entry?.level === 'error') {
      this.problems.push(JSON.stringify(message.params));
    }
  }
}
