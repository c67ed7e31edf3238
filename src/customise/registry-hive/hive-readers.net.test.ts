import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import type { Hive } from './hive.ts';
import type { HiveKey } from './hive-key.ts';
import { upperUnit } from './key-name.ts';
import { sampleHive } from './testdata/made-hives.ts';
import { editEverything, hasRealHives, REAL_HIVE_NAMES, realHive } from './testdata/real-hives.ts';

/** Values of all keys by path, each `name=type:hex`, in the order of their names. */
type Content = Map<string, string[]>;

const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

async function temporaryFile(bytes: Buffer): Promise<AsyncDisposable & { path: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'td-hive-'));
  const path = join(dir, 'hive');
  await writeFile(path, bytes);
  return { path, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

function expectedContent(hive: Hive): Content {
  const valuesOf = (key: HiveKey) =>
    key
      .values()
      .map(({ name, type, data }) => `${name}=${type}:${data.toString('hex')}`)
      .sort();
  return new Map([...hive.keys()].map((key) => [`\\${key.path}`, valuesOf(key)]));
}

/** What hivex reads. */
async function contentByHivex(path: string): Promise<Content> {
  const { stdout } = await run('hivexregedit', ['--export', path, '\\'], {
    outputBytesMax: OUTPUT_BYTES_MAX,
    env: { PERL_UNICODE: 'S' },
  });
  const content: Content = new Map();
  let values: string[] = [];
  for (const line of stdout.split('\n').slice(1)) {
    const section = /^\[(.*)\]$/s.exec(line);
    if (section !== null) {
      values = [];
      content.set(section[1]!, values);
    }
    const value = /^(?:@|"((?:[^"\\]|\\.)*)")=(?:hex\(([0-9a-f]+)\):([0-9a-f,]*)|dword:([0-9a-f]{8}))$/.exec(
      line,
    );
    if (value === null) {
      expect(section === null && line !== '' ? line : '').toBe('');
      continue;
    }
    const [, name = '', type = '4', bytes = '', number] = value;
    const data = number === undefined ? bytes.replaceAll(',', '') : littleEndian(number);
    values.push(`${name.replace(/\\(.)/g, '$1')}=${Number.parseInt(type, 16)}:${data}`);
  }
  for (const list of content.values()) list.sort();
  return content;
}

function littleEndian(number: string): string {
  return Buffer.from(number, 'hex').reverse().toString('hex');
}

/** Paths of all keys as chntpw's reged reads them. */
async function keysByReged(path: string): Promise<string[]> {
  const out = `${path}.reg`;
  await run('reged', ['-x', path, 'H', '\\', out], { okCodes: [0, 1, 2], outputBytesMax: OUTPUT_BYTES_MAX });
  const lines = (await readFile(out, 'latin1')).split(/\r?\n/);
  return lines.filter((line) => /^\[H\\.*\]$/.test(line)).map((line) => line.slice(2, -1));
}

/** Names, types and sizes of the values of one key as libregf reads them. */
async function valuesByLibregf(path: string, key: string): Promise<string[]> {
  const { stdout } = await run('regfexport', ['-K', key, path], { outputBytesMax: OUTPUT_BYTES_MAX });
  const [own = ''] = stdout.split('Key path:').slice(1);
  const values = own.matchAll(/^Value: \d+ (.*)\nType: .*\((\w+)\)\nData size: (\d+)/gm);
  return [...values].map(([, name, type, bytes]) => `${name} ${type} ${bytes}`);
}

async function expectSameByHivex(hive: Hive): Promise<void> {
  await using file = await temporaryFile(hive.toBuffer());
  const [expected, found] = [expectedContent(hive), await contentByHivex(file.path)];
  expect([...found.keys()].filter((path) => !expected.has(path))).toEqual([]);
  const isEqual = (path: string, values: string[]) => found.get(path)?.join('\n') === values.join('\n');
  expect([...expected].filter(([path, values]) => !isEqual(path, values))).toEqual([]);
}

async function expectSameKeysByReged(hive: Hive): Promise<void> {
  await using file = await temporaryFile(hive.toBuffer());
  // It does not find keys whose names are beyond one byte a character.
  const paths = [...hive.keys()]
    .map((key) => `\\${key.path}`)
    .filter((path) => /^\\[\x01-\xff]+$/.test(path));
  const found = (await keysByReged(file.path)).filter((path) => path !== '');
  // Two lists of 30,000 paths are not shown side by side.
  expect(found.sort().join('\n') === paths.sort().join('\n')).toBe(true);
  expect(paths.length).toBeGreaterThan(400);
}

describe('other readers of registry hives', () => {
  it.each([3, 5] as const)('read what was written (version 1.%i)', async (minor) => {
    await expectSameByHivex(sampleHive(minor));
    const readable = sampleHive(minor);
    // reged ends with a crash at the name of this value.
    readable.key('Kinds')!.delete('Ωmega');
    await expectSameKeysByReged(readable);
    await using file = await temporaryFile(sampleHive(minor).toBuffer());
    expect(await valuesByLibregf(file.path, '\\Kinds')).toEqual([
      '(default) REG_SZ 16',
      'text REG_SZ 42',
      'expand REG_EXPAND_SZ 30',
      'list REG_MULTI_SZ 28',
      'number REG_DWORD_LITTLE_ENDIAN 4',
      'nothing REG_NONE 0',
      'three bytes REG_BINARY 3',
      'one segment REG_BINARY 16344',
      'two segments REG_BINARY 16345',
      'four segments REG_BINARY 50000',
      'Ωmega REG_SZ 46',
    ]);
  });

  it.skipIf(!hasRealHives).each(REAL_HIVE_NAMES)(
    'read an edited %s (skipped where the folder of real hives is absent)',
    async (name) => {
      const hive = realHive(name);
      editEverything(hive);
      await expectSameByHivex(hive);
      await expectSameKeysByReged(hive);
      await using file = await temporaryFile(hive.toBuffer());
      expect(await valuesByLibregf(file.path, '\\TotalDeploy é\\with spaces')).toEqual([
        'text REG_SZ 12',
        '(default) REG_DWORD_LITTLE_ENDIAN 4',
        'large REG_BINARY 40000',
        'grown REG_BINARY 20000',
      ]);
    },
  );
});

describe('capital letters', () => {
  it('are those of the table that is on every NTFS volume', async () => {
    await using volume = await temporaryFile(Buffer.alloc(8 * 1024 * 1024));
    await run('mkntfs', ['-q', '-F', volume.path]);
    const table = `${volume.path}.table`;
    await run('sh', ['-c', 'ntfscat -i 10 "$1" > "$2"', 'sh', volume.path, table]);
    const upper = await readFile(table);
    const units = Array.from({ length: 65_536 }, (_, unit) => unit);
    expect(units.filter((unit) => upper.readUInt16LE(unit * 2) !== upperUnit(unit))).toEqual([]);
  });
});
