import { PassThrough, Writable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../log.ts';
import type { KeyPress, Page, PageHost } from './page.ts';
import { runTui, type TuiInput, type TuiOutput } from './run-tui.ts';

class Terminal {
  readonly input = new PassThrough() as PassThrough & { raw?: boolean; setRawMode?: (raw: boolean) => void };
  readonly size = { columns: 80, rows: 25 };
  written = '';
  writes = 0;
  readonly output: TuiOutput;

  constructor() {
    this.input.setRawMode = (raw) => {
      this.input.raw = raw;
    };
    const output = new Writable({
      write: (chunk, _encoding, done) => {
        this.written += chunk;
        this.writes += 1;
        done();
      },
    });
    this.output = Object.assign(output, {
      getWindowSize: (): [number, number] => [this.size.columns, this.size.rows],
    });
  }

  take(): string {
    const { written } = this;
    this.written = '';
    return written;
  }
}

class Counter implements Page<string> {
  readonly title = 'Counter';
  readonly helpTopic = '';
  count = 0;
  host: PageHost<string> | undefined;
  broken = false;

  onShown(host: PageHost<string>): void {
    this.host = host;
  }
  render() {
    if (this.broken) throw new Error('cannot count');
    return ['always-the-same', `count ${this.count}`];
  }
  keys() {
    return [];
  }
  onKey(key: KeyPress, host: PageHost<string>): void {
    if (key.name === 'q') host.close('quit');
    this.count += 1;
  }
}

const settle = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

async function start(options: { term?: string; columns?: number; env?: NodeJS.ProcessEnv } = {}) {
  const terminal = new Terminal();
  if (options.columns !== undefined) terminal.size.columns = options.columns;
  const page = new Counter();
  const stop = new AbortController();
  stops.push(stop);
  const ended = runTui({
    input: terminal.input as unknown as TuiInput,
    output: terminal.output,
    term: options.term ?? 'xterm-256color',
    env: options.env ?? { LANG: 'C.UTF-8' },
    ...{ firstPage: page, help: {}, title: 'Test', signal: stop.signal, logger: silentLog },
  });
  ended.catch(() => {});
  for (let i = 0; i < 100 && !terminal.written.includes('always') && options.term !== 'dumb'; i += 1)
    await settle();
  return { terminal, page, stop, ended };
}

describe('pages on a terminal', () => {
  it('draw what changed and nothing else, at once after a key', async () => {
    const { terminal } = await start();
    expect(terminal.take()).toContain('always-the-same');
    terminal.input.write('x');
    await settle();
    const drawn = terminal.take();
    expect(drawn).toContain('1');
    expect(drawn).not.toContain('always');
    expect(drawn.length).toBeLessThan(60);
  });

  it('draw at most ten times a second what changes by itself', async () => {
    const { terminal, page } = await start();
    const before = terminal.writes;
    for (let i = 0; i < 50; i += 1) {
      page.count += 1;
      page.host?.refresh();
      await settle(10);
    }
    await settle(150);
    expect(terminal.writes - before).toBeLessThanOrEqual(10);
    expect(terminal.written).toMatch(/5\D*0|50/);
  });

  it('return the result and give the terminal back', async () => {
    const { terminal, ended } = await start();
    expect(terminal.input.raw).toBe(true);
    terminal.take();
    terminal.input.write('q');
    expect(await ended).toBe('quit');
    expect(terminal.input.raw).toBe(false);
    expect(terminal.take()).toMatch(/\x1b\[\?25h.*\x1b\[\?1049l/s);
    expect(process.listenerCount('SIGHUP')).toBe(0);
  });

  it('end without a result when the terminal goes away or the signal aborts', async () => {
    const first = await start();
    first.terminal.input.end();
    expect(await first.ended).toBeUndefined();
    const second = await start();
    second.terminal.input.destroy(Object.assign(new Error('read EIO'), { code: 'EIO' }));
    expect(await second.ended).toBeUndefined();
    const third = await start();
    (third.terminal.output as Writable).destroy(new Error('write EIO'));
    expect(await third.ended).toBeUndefined();
    const fourth = await start();
    fourth.stop.abort();
    expect(await fourth.ended).toBeUndefined();
  });

  it('follow the size', async () => {
    const { terminal } = await start();
    terminal.take();
    terminal.size.columns = 60;
    (terminal.output as Writable).emit('resize');
    await settle();
    expect(terminal.take()).toContain('small');
    terminal.size.columns = 120;
    (terminal.output as Writable).emit('resize');
    await settle();
    expect(terminal.take()).toContain('always-the-same');
  });

  it('ask a terminal whose size nobody knows', async () => {
    const { terminal } = await start({ columns: 0, term: 'vt220' });
    expect(terminal.take()).toContain('\x1b[6n');
    terminal.input.write('\x1b[50;60R');
    await settle();
    expect(terminal.take()).toContain('small');
  });

  it('draw all again on Ctrl-L', async () => {
    const { terminal } = await start();
    terminal.take();
    terminal.input.write('\x0c');
    await settle();
    expect(terminal.take()).toContain('always-the-same');
  });

  it('leave pictures out while the line is busy, and show the newest one then', async () => {
    const { terminal } = await start();
    terminal.take();
    Object.defineProperty(terminal.output, 'writableLength', { value: 1, configurable: true });
    for (let i = 0; i < 8; i += 1) terminal.input.write('x');
    await settle(150);
    expect(terminal.take()).toBe('');
    Object.defineProperty(terminal.output, 'writableLength', { value: 0, configurable: true });
    await settle(150);
    expect(terminal.take()).toMatch(/8\x1b8$/);
  });

  it('are not mixed up when there are two terminals', async () => {
    const first = await start();
    const second = await start({ term: 'linux' });
    first.terminal.take();
    second.terminal.take();
    first.terminal.input.write('x');
    await settle();
    expect([first.page.count, second.page.count]).toEqual([1, 0]);
    expect(second.terminal.take()).toBe('');
    first.terminal.input.write('q');
    await first.ended;
    second.terminal.input.write('xx');
    await settle();
    expect(second.terminal.take()).toContain('2');
  });

  it('end at once when the terminal was gone or the signal aborted while they were loaded', async () => {
    const terminal = new Terminal();
    const stop = new AbortController();
    const options = {
      ...{ output: terminal.output, term: 'linux', firstPage: new Counter(), help: {}, title: '' },
      ...{ signal: stop.signal, logger: silentLog },
    };
    terminal.input.destroy();
    expect(await runTui({ ...options, input: terminal.input as unknown as TuiInput })).toBeUndefined();
    const ended = runTui({ ...options, input: new Terminal().input as unknown as TuiInput });
    stop.abort();
    expect(await ended).toBeUndefined();
  });

  it('say so when one cannot be drawn, and go on', async () => {
    const { terminal, page } = await start();
    page.broken = true;
    terminal.input.write('x');
    await settle();
    expect(terminal.take()).toContain('cannot');
    page.broken = false;
    terminal.input.write('x');
    await settle();
    expect(terminal.take()).toContain('always-the-same');
  });

  it('use colours and signs as the terminal has them', async () => {
    const colours = /\x1b\[[0-9;]*[34][0-9]/;
    expect((await start()).terminal.written).toMatch(colours);
    expect((await start({ term: 'vt220', env: {} })).terminal.written).not.toMatch(colours);
    expect((await start({ env: { NO_COLOR: '1' } })).terminal.written).not.toMatch(colours);
    expect((await start({ env: {} })).terminal.written).toMatch(/^[\x00-\x7e]*$/);
  });

  it('refuse a terminal that cannot place its cursor', async () => {
    const { ended } = await start({ term: 'dumb' });
    await expect(ended).rejects.toMatchObject({ code: 'usage' });
  });
});
