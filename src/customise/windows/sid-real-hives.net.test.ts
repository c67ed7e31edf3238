import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { Hive } from '../registry-hive/hive.ts';
import { type MachineSid, newMachineSid } from './sid.ts';
import { readMachineSid, replaceSidInHive } from './sid-hive.ts';
import { holdsSid, replaceSidText, type SidPattern, sidPatterns } from './sid-patterns.ts';

const HIVES = join(import.meta.dirname, '../../../../shared/fixtures/hives');
const SID_START = Buffer.from([0, 0, 0, 0, 0, 5, 21, 0, 0, 0]);
const MIB = 1024 * 1024;

async function load(name: string): Promise<Hive> {
  const logs: Buffer[] = [];
  for (const suffix of ['.LOG1', '.LOG2']) {
    if (existsSync(join(HIVES, name + suffix))) logs.push(await readFile(join(HIVES, name + suffix)));
  }
  return Hive.parse(await readFile(join(HIVES, name)), { logs, acceptLoss: true });
}

/** How often each machine or domain is named in what a hive holds: names, values and security. */
function triples(hive: Hive): Map<string, number> {
  const found = new Map<string, number>();
  const add = (triple: string) => found.set(triple, (found.get(triple) ?? 0) + 1);
  const inText = (text: string) => {
    for (const [, triple] of text.matchAll(/S-1-5-21-(\d+-\d+-\d+)/g)) add(triple!);
  };
  const inBytes = (bytes: Buffer) => {
    for (let at = bytes.indexOf(SID_START); at >= 0; at = bytes.indexOf(SID_START, at + 1)) {
      if (at + 22 <= bytes.length)
        add([10, 14, 18].map((offset) => bytes.readUInt32LE(at + offset)).join('-'));
    }
    inText(bytes.toString('utf16le'));
    inText(bytes.toString('latin1'));
  };
  for (const key of hive.keys()) {
    inText(key.name);
    inBytes(key.securityDescriptor);
    for (const { name, data } of key.values()) {
      inText(name);
      inBytes(data);
    }
  }
  return found;
}

/** Programs that print a whole hive, and what begins a line of bytes. */
const READERS = {
  hivex: {
    program: 'hivexregedit',
    args: ['--export', '--unsafe-printable-strings'],
    more: [''],
    bytes: /=hex|^ {2}[0-9a-f,]+\\?$/,
  },
  libregf: { program: 'regfexport', args: [], more: [], bytes: /^[0-9a-f]{8}[: ]/ },
};

/** The texts of a hive as another program reads it, in no order: a key's place depends on its name. */
async function linesBy(
  reader: keyof typeof READERS,
  file: string,
  patterns: readonly SidPattern[] = [],
): Promise<string[]> {
  const { program, args, more, bytes } = READERS[reader];
  const { stdout } = await run(program, [...args, file, ...more], { outputBytesMax: 512 * MIB });
  const lines = replaceSidText(stdout, patterns).split('\n');
  return lines.filter((line) => !bytes.test(line)).sort();
}

function wordOf(sid: MachineSid): string {
  return sid.join('-');
}

describe.skipIf(!existsSync(HIVES))(`a new SID in real hives (skipped without ${HIVES})`, () => {
  it('is found in a real SAM and its SECURITY, which agree', async () => {
    const sid = readMachineSid(await load('SAM'), await load('SECURITY'));
    expect(sid).toEqual([3_064_465_268, 1_549_819_264, 574_340_205]);
  });

  it.each([
    ['SAM', [3_064_465_268, 1_549_819_264, 574_340_205]],
    ['SECURITY', [727_398_572, 3_617_256_236, 2_003_601_904]],
    ['win10-SYSTEM', [2_734_969_515, 1_644_526_556, 1_039_763_013]],
    ['UsrClass.dat', [2_734_969_515, 1_644_526_556, 1_039_763_013]],
  ] as [string, MachineSid][])('replaces the old one in %s and leaves all others', async (name, from) => {
    const folder = await mkdtemp(join(tmpdir(), 'td-sid-'));
    try {
      const hive = await load(name);
      const to = newMachineSid(from);
      const there = sidPatterns({ from, to });
      const before = triples(hive);
      await writeFile(join(folder, 'before'), hive.toBuffer());
      const problems = hive.check().problems;
      expect(await replaceSidInHive(hive, there)).toBeGreaterThan(0);
      const file = hive.toBuffer();
      await writeFile(join(folder, 'after'), file);
      expect(holdsSid(file, there)).toBe(false);
      expect(hive.check().problems).toEqual(problems);
      const after = triples(Hive.parse(file));
      expect(after.get(wordOf(to))).toBe(before.get(wordOf(from)));
      before.delete(wordOf(from));
      after.delete(wordOf(to));
      expect(after).toEqual(before);

      // libregf takes ten seconds for the large ones.
      const readers = file.length > 4 * MIB ? (['hivex'] as const) : (['hivex', 'libregf'] as const);
      for (const reader of readers) {
        const expected = await linesBy(reader, join(folder, 'before'), there);
        const found = await linesBy(reader, join(folder, 'after'));
        expect(found.length).toBe(expected.length);
        // Not by toEqual, whose difference of long lists takes minutes.
        expect(found.find((line, i) => line !== expected[i])).toBeUndefined();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
