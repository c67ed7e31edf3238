import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  computerNameSchema,
  expandNamePattern,
  ipv4Number,
  ipv4Text,
  templateJsonSchema,
  templateSchema,
} from './template.ts';

const SMALL = { version: 1, name: 'lab', image: 'office' };
const FULL = {
  ...SMALL,
  comment: 'Room 12',
  imagePassword: { sealed: 'AAAA', console: 'a'.repeat(64) },
  disk: 1,
  partitions: [1, 3],
  targetDisk: 'size>=100G',
  freeSpace: 'grow-last',
  users: [{ name: 'admin', password: 'secret', group: 'administrators' }],
  computerNames: { kind: 'pattern', pattern: 'LAB-{n:03}', first: 5 },
  membership: { kind: 'domain', name: 'lab.example.org', user: 'joiner', password: 'secret' },
  network: { kind: 'static', first: '10.0.0.10', last: '10.0.0.99', prefixLength: 24, gateway: '10.0.0.1' },
  table: [{ mac: '52:54:00:12:34:56', name: 'SEAT-1', address: '10.0.0.7' }],
  files: [{ source: 'smb://server/share/setup.exe', execute: true }],
  applications: [{ path: 'C:\\tool.exe' }],
  drivers: [{ source: '/srv/drivers' }],
  after: 'restart',
  offeredOnTargets: true,
  run: { waitFor: 20, joinLate: true },
};

function paths(value: unknown): string[] {
  return (templateSchema.safeParse(value).error?.issues ?? []).map((issue) => issue.path.join('.'));
}

const staticNetwork = (changes: object) => ({ ...SMALL, network: { ...FULL.network, ...changes } });

describe('a template', () => {
  it('has a default for everything but version, name and image', () => {
    expect(templateSchema.parse(SMALL)).toMatchObject({
      partitions: 'all',
      sid: 'new',
      after: 'shutdown',
      network: { kind: 'keep' },
      run: { waitSeconds: 600 },
    });
    expect(paths({})).toEqual(['version', 'name', 'image']);
    expect(paths(FULL)).toEqual([]);
  });

  it.each([
    ['ends before it begins', { first: '10.0.0.20', last: '10.0.0.10' }, 'network.last'],
    ['leaves its network', { last: '10.0.1.10' }, 'network.last'],
    ['begins with the address of the network', { first: '10.0.0.0', gateway: '' }, 'network.first'],
    ['ends with the broadcast address', { last: '10.0.0.255' }, 'network.last'],
    ['has a gateway in another network', { gateway: '10.0.1.1' }, 'network.gateway'],
    ['gives the gateway to a computer', { gateway: '10.0.0.50' }, 'network.gateway'],
  ])('is refused when its range %s', (_what, changes, path) => {
    expect(paths(staticNetwork(changes))).toEqual([path]);
    expect(paths(staticNetwork({}))).toEqual([]);
  });

  it('names what is there twice, upper and lower case alike, also beside other problems', () => {
    const users = [{ name: 'Admin' }, { name: 'admin' }, { name: 'bad@' }];
    expect(paths({ ...SMALL, users }).sort()).toEqual(['users.1.name', 'users.2.name']);
    const row = { mac: '52:54:00:12:34:56', name: 'SEAT-1', address: '10.0.0.7' };
    const table = [row, { ...row, name: 'seat-1' }, null, { mac: 'x' }];
    expect(paths({ ...SMALL, image: 3, table }).sort()).toEqual([
      'image',
      'table.1.address',
      'table.1.mac',
      'table.1.name',
      'table.2',
      'table.3.mac',
    ]);
    expect(paths({ ...SMALL, partitions: [2, 2] })).toEqual(['partitions']);
  });

  it('is refused when a table is meant but has nothing to give', () => {
    const table = [{ mac: '52:54:00:12:34:56' }];
    const network = { kind: 'table', prefixLength: 24 };
    const value = { ...SMALL, computerNames: { kind: 'table' }, network, table };
    expect(paths(value)).toEqual(['computerNames.kind', 'network.kind']);
    expect(paths({ ...value, table: [{ ...table[0], name: 'A', address: '10.0.0.3' }] })).toEqual([]);
  });

  it('replaces a partition only with one partition', () => {
    expect(paths({ ...SMALL, targetPartition: 2 })).toEqual(['targetPartition']);
    expect(paths({ ...SMALL, targetPartition: 2, partitions: [1] })).toEqual([]);
  });

  it('may leave the password of who joins computers to the domain to be asked for', () => {
    const { password, ...membership } = FULL.membership;
    expect(password).not.toBe('');
    expect(templateSchema.parse({ ...FULL, membership }).membership).toEqual({
      ...membership,
      password: '',
      ou: '',
    });
  });

  it.each(['VERYLONGPATTERN-{n}', '{n}', '-{n}', 'LAB-{n:9}-{mac}', 'LAB {n}'])(
    'is refused when no computer can have a name like "%s"',
    (pattern) => {
      const names = { kind: 'pattern', pattern };
      expect(paths({ ...SMALL, computerNames: names })).toContain('computerNames.pattern');
    },
  );

  it('takes no key that it does not know, whatever it is called', () => {
    const value = JSON.parse('{"version":1,"name":"a","image":"b","__proto__":{"x":1},"constructor":{}}');
    expect(templateSchema.safeParse(value).error?.issues).toMatchObject([
      { code: 'unrecognized_keys', keys: ['__proto__', 'constructor'] },
    ]);
  });

  it('never throws on anything', () => {
    fc.assert(fc.property(fc.anything(), (value) => void templateSchema.safeParse(value)));
    const fields = Object.fromEntries(Object.keys(FULL).map((key) => [key, fc.anything()]));
    fc.assert(fc.property(fc.record(fields), (value) => void templateSchema.safeParse(value)));
  });
});

describe('a name pattern', () => {
  it('knows number, MAC and serial number', () => {
    const computer = { number: 7, mac: '52:54:00:ab:cd:ef', serial: 'S/N 12-3' };
    expect(expandNamePattern('A{n}-{n:03}-{n:2}-{mac}-{serial}', computer)).toBe('A7-007-07-abcdef-SN12-3');
  });

  it('with a number gives every number a name of its own', () => {
    const number = fc.integer({ min: 0, max: 999_999 });
    const name = (n: number) => expandNamePattern('PC-{n:04}', { number: n, mac: '', serial: '' });
    fc.assert(
      fc.property(number, number, (a, b) => {
        expect(computerNameSchema.safeParse(name(a)).success).toBe(true);
        expect(name(a) === name(b)).toBe(a === b);
      }),
    );
  });
});

it('IPv4 addresses become numbers and back', () => {
  fc.assert(fc.property(fc.ipV4(), (address) => ipv4Text(ipv4Number(address)) === address));
});

describe('the JSON Schema of templates', () => {
  const GOLDEN = new URL('./testdata/template.schema.json', import.meta.url);

  it('is the one that is known: people keep it beside their templates', () => {
    const text = `${JSON.stringify(templateJsonSchema(), null, 2)}\n`;
    if (process.env.UPDATE_GOLDENS === '1') {
      writeFileSync(GOLDEN, text);
      throw new Error('the golden schema was written anew');
    }
    expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(GOLDEN, 'utf8')));
  });

  it('has patterns that validators can read, which use the u flag', () => {
    const patterns = JSON.stringify(templateJsonSchema()).matchAll(/"pattern":("(?:[^"\\\\]|\\\\.)*")/g);
    const texts = [...patterns].map((match) => JSON.parse(match[1]!) as string);
    expect(texts.length).toBeGreaterThan(10);
    for (const text of texts) expect(() => new RegExp(text, 'u')).not.toThrow();
  });

  it('accepts and refuses the fields that the program does', () => {
    // The reader at hand has no u flag.
    const text = JSON.stringify(templateJsonSchema()).replaceAll('\\\\p{L}\\\\p{N}', 'A-Za-z0-9');
    const schema = z.fromJSONSchema(JSON.parse(text));
    const good = [
      SMALL,
      FULL,
      { ...SMALL, network: { kind: 'dhcp', dnsServers: ['10.0.0.1'] } },
      { ...SMALL, membership: { kind: 'workgroup', name: 'LAB 1' } },
      templateSchema.parse(FULL),
    ];
    const bad = [
      {},
      { ...SMALL, version: 2 },
      { ...SMALL, extra: 1 },
      { ...SMALL, after: 'explode' },
      { ...SMALL, partitions: [0] },
      { ...SMALL, users: [{ name: 'a@b' }] },
      { ...SMALL, network: { kind: 'static', first: 'x' } },
      { ...SMALL, table: [{ mac: 'AA-BB' }] },
    ];
    for (const [isGood, samples] of [[true, good] as const, [false, bad] as const]) {
      for (const sample of samples) {
        expect(templateSchema.safeParse(sample).success, JSON.stringify(sample)).toBe(isGood);
        expect(schema.safeParse(sample).success, JSON.stringify(sample)).toBe(isGood);
      }
    }
  });
});
