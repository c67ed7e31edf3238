import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testMachine } from '../control/testdata/test-machine.ts';
import { computerId } from '../schema/machine.ts';
import { registerConsoleCommands } from './console-commands.ts';
import { consolePaths } from './console-paths.ts';
import { logMethods } from './methods/log-methods.ts';
import { ConsoleStore, type EventFilter } from './store.ts';
import { until } from './testdata/test-console.ts';

let dir: string;
let store: ConsoleStore;

const machine = testMachine(1);
const second = { ...machine.nics[0]!, mac: '0a:00:00:00:00:99' };
const first = computerId(machine);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-events-'));
  store = ConsoleStore.open(consolePaths(dir).database);
  const address = '10.0.0.1';
  store.recordComputer({
    ...{ id: first, address, role: 'agent' },
    machine: { ...machine, nics: [...machine.nics, second] },
  });
  store.addEvent({ kind: 'a', text: 'Console started' });
  store.addEvent({ kind: 'b', jobId: 'j1', computerId: first, text: 'Started 100% of it' });
  store.addEvent({ kind: 'c', jobId: 'j1', computerId: first, level: 'warn', text: 'lost contact' });
  store.addEvent({ kind: 'd', jobId: 'j2', computerId: 'no-uuid/aa:bb:cc:dd:ee:ff', text: 'never came' });
  store.addEvent({ kind: 'e', jobId: 'j2', level: 'error', text: 'job is failed' });
});
afterEach(async () => {
  store.close();
  await rm(dir, { recursive: true, force: true });
});

const kinds = (filter: EventFilter) =>
  store
    .events(filter)
    .map((event) => event.kind)
    .join('');

describe('the log', () => {
  it.each<[string, EventFilter, string]>([
    ['everything', {}, 'abcde'],
    ['a job', { jobId: 'j1' }, 'bc'],
    ['warnings and worse', { level: 'warn' }, 'ce'],
    ['errors', { level: 'error' }, 'e'],
    ['a computer by id', { computer: first }, 'bc'],
    ['a computer by name', { computer: '02:00:00:00:00:01' }, 'bc'],
    ['a computer by MAC in another spelling', { computer: '02-00-00-00-00-01' }, 'bc'],
    ['a computer by its other card', { computer: '0A000000'.concat('0099') }, 'bc'],
    ['a computer that never connected', { computer: 'aa:bb:cc:dd:ee:ff' }, 'd'],
    ['no computer of that name', { computer: '%' }, ''],
    ['a text in any letter case', { text: 'STARTED' }, 'ab'],
    ['a text with signs of SQL', { text: '0% of' }, 'b'],
    ['a text that SQL would take for anything', { text: '_%' }, ''],
    ['what came after', { afterId: 3 }, 'de'],
    ['the newest', { limit: 2 }, 'de'],
    ['all of it at once', { jobId: 'j1', computer: first, level: 'warn', text: 'CONTACT' }, 'c'],
  ])('finds %s', (_what, filter, expected) => {
    expect(kinds(filter)).toBe(expected);
  });

  it('refuses a wrong filter and names the field', async () => {
    const { log } = logMethods({ store });
    const call = (params: Record<string, unknown>) =>
      log!({ params, emit: () => {}, signal: AbortSignal.timeout(1000) });
    await expect(call({ level: 'debug' })).rejects.toThrow('Cannot use "level"');
    await expect(call({ limit: 0 })).rejects.toThrow('Cannot use "limit"');
    expect(await call({ level: 'error' })).toMatchObject([{ kind: 'e', jobId: 'j2' }]);
  });

  it('is followed by the command until Ctrl-C', async () => {
    const stop = new AbortController();
    let out = '';
    const program = new Command().exitOverride();
    registerConsoleCommands(program, {
      out: (text) => {
        out += text;
      },
      note: () => {},
      columns: undefined,
      signal: stop.signal,
      defaultDataDir: dir,
    });
    const args = ['log', '--computer', '02:00:00:00:00:01', '--level', 'warn', '--grep', 'LOST', '--follow'];
    const ended = program.parseAsync(args, { from: 'user' });
    try {
      await until(() => out.includes('lost contact'), 'the first line');
      store.addEvent({ kind: 'f', computerId: first, level: 'error', text: 'lost again' });
      store.addEvent({ kind: 'g', computerId: first, text: 'lost, but not bad' });
      await until(() => out.includes('ERROR: lost again'), 'the line that came later');
    } finally {
      stop.abort();
    }
    await ended;
    expect(out.trim().split('\n')).toHaveLength(2);
  });
});
