import { describe, expect, it } from 'vitest';
import { Hive } from '../registry-hive/hive.ts';
import { binary, text } from '../registry-hive/value-data.ts';
import { machineSidBytes, machineSidText, type SidChange } from './sid.ts';
import { readMachineSid, replaceSidInHive } from './sid-hive.ts';
import { holdsSid, sidPatterns } from './sid-patterns.ts';
import { phonySam, phonySecurity } from './testdata/phony-registry.ts';
import { phonyHive } from './testdata/phony-windows.ts';

/** The new one comes before the foreign one, the old one behind it. */
const CHANGE: SidChange = {
  from: [3_333_333_333, 2_222_222_222, 1_111_111_111],
  to: [1_234_567_890, 2_345_678_901, 3_456_789_012],
};
const PATTERNS = sidPatterns(CHANGE);
const OLD = machineSidText(CHANGE.from);
const NEW = machineSidText(CHANGE.to);
const FOREIGN = 'S-1-5-21-2000000000-1000000000-1000000000';

/** Owner and group are an account of the machine. */
function descriptor(machine: Buffer): Buffer {
  const sid = Buffer.concat([
    Buffer.from('010500000000000515000000', 'hex'),
    machine,
    Buffer.from('e9030000', 'hex'),
  ]);
  const head = Buffer.alloc(20);
  head.writeUInt8(1, 0);
  head.writeUInt16LE(0x8000, 2);
  head.writeUInt32LE(20, 4);
  head.writeUInt32LE(20 + sid.length, 8);
  return Buffer.concat([head, sid, sid]);
}

describe('replaceSidInHive', () => {
  it('replaces it in names, values, data in several cells, security, the root and what was deleted', async () => {
    const hive = Hive.create();
    hive.root.rename(`${OLD}-1001_Classes`);
    const [from, to] = [machineSidBytes(CHANGE.from), machineSidBytes(CHANGE.to)];
    // Data above 16,344 bytes is stored in pieces; the SID lies across the end of the first.
    const large = (sid: Buffer) => Buffer.concat([Buffer.alloc(16_340, 7), sid, Buffer.alloc(9000, 8)]);
    const list = hive.root.ensure('List');
    for (const name of [`${OLD}-1001`, FOREIGN, 'A', 'Z']) list.ensure(name).set('', text(name));
    const values = hive.root.ensure('Values');
    values.set(`{${OLD}-1001}`, text(`a ${OLD}-1001;${FOREIGN}`));
    values.set('large', binary(large(from)));
    values.set('ascii', binary(Buffer.from(OLD, 'latin1')));
    values.securityDescriptor = descriptor(from);
    hive.root.ensure(`Deleted ${OLD}`).set('', text(OLD));
    hive.key(`Deleted ${OLD}`)!.remove();

    expect(await replaceSidInHive(hive, PATTERNS)).toBeGreaterThan(0);
    const file = hive.toBuffer();
    expect(holdsSid(file, PATTERNS)).toBe(false);
    const again = Hive.parse(file);
    expect(again.check()).toMatchObject({ problems: [], lostCells: 0 });
    expect(again.root.name).toBe(`${NEW}-1001_Classes`);
    expect(
      again
        .key('List')!
        .subkeys()
        .map(({ name }) => name),
    ).toEqual(['A', `${NEW}-1001`, FOREIGN, 'Z']);
    expect(again.key(`List\\${NEW}-1001`)!.value('')).toMatchObject(text(`${NEW}-1001`));
    const changed = again.key('Values')!;
    expect(changed.value(`{${NEW}-1001}`)).toMatchObject(text(`a ${NEW}-1001;${FOREIGN}`));
    expect(changed.value('large')!.data.equals(large(to))).toBe(true);
    expect(changed.value('ascii')!.data.toString()).toBe(NEW);
    expect(changed.securityDescriptor.equals(descriptor(to))).toBe(true);
  });

  it('lets the rest of the program work in between', async () => {
    const hive = Hive.create();
    for (let i = 0; i < 1500; i += 1) hive.root.ensure(`Key ${i}`);
    let turns = 0;
    const count = (): void => {
      turns += 1;
      turn = setImmediate(count);
    };
    let turn = setImmediate(count);
    await replaceSidInHive(hive, PATTERNS);
    clearImmediate(turn);
    expect(turns).toBeGreaterThan(0);
  });

  it('changes nothing in a hive without it', async () => {
    const hive = phonyHive({ Software: { Owner: text(FOREIGN) } });
    const before = Hive.parse(hive.toBuffer());
    const file = before.toBuffer();
    expect(await replaceSidInHive(before, PATTERNS)).toBe(0);
    expect(before.isChanged).toBe(false);
    expect(before.toBuffer().equals(file)).toBe(true);
  });
});

describe('readMachineSid', () => {
  it('reads it from SAM and SECURITY', () => {
    const sid = readMachineSid(phonyHive(phonySam()), phonyHive(phonySecurity()));
    expect(machineSidText(sid)).toBe('S-1-5-21-1111111111-2222222222-3333333333');
  });

  it('refuses when the two differ, and when one does not hold it', () => {
    const [sam, security] = [phonyHive(phonySam()), phonyHive(phonySecurity())];
    const policy = security.key('Policy\\PolAcDmS')!;
    const { data, type } = policy.value('')!;
    policy.set('', { type, data: Buffer.concat([data.subarray(0, 12), machineSidBytes(CHANGE.to)]) });
    expect(() => readMachineSid(sam, security)).toThrow(/SAM says S-1-5-21-1111111111/);
    policy.set('', { type, data: data.subarray(0, 20) });
    expect(() => readMachineSid(sam, security)).toThrow(/hive SECURITY does not hold it/);
    expect(() => readMachineSid(phonyHive({ SAM: {} }), security)).toThrow(/hive SAM does not hold it/);
  });
});
