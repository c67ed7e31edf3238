import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computerNameSchema, ipv4Number, ipv4Text, templateSchema } from '../schema/template.ts';
import { computerPlan, type PlannedComputer } from './computer-plan.ts';

const planTemplate = (fields: object) =>
  templateSchema.parse({ version: 1, name: 'lab', image: 'office', ...fields });
const mac = (number: number) =>
  `52:54:00:${[16, 8, 0].map((shift) => ((number >> shift) & 255).toString(16).padStart(2, '0')).join(':')}`;
const computers = (count: number): PlannedComputer[] =>
  Array.from({ length: count }, (_, i) => ({ label: mac(i), macs: [mac(i)], serial: `SN${i}` }));
const pattern = (text: string, first = 1) => ({
  computerNames: { kind: 'pattern', pattern: text, first },
});
const range = (first: string, last: string) => ({
  network: { kind: 'static', first, last, prefixLength: 16, gateway: '10.0.255.254' },
});

describe('the plan of names and addresses', () => {
  it('counts names and addresses up in the order of the computers', () => {
    const template = planTemplate({ ...pattern('LAB-{n:03}', 9), ...range('10.0.0.254', '10.0.1.20') });
    const plan = computerPlan(template, computers(3));
    expect(plan).toEqual({
      computers: [
        ['LAB-009', '10.0.0.254'],
        ['LAB-010', '10.0.0.255'],
        ['LAB-011', '10.0.1.0'],
      ].map(([name, address], i) => ({
        label: mac(i),
        name,
        address: { address, prefixLength: 16, gateway: '10.0.255.254' },
      })),
      problems: [],
      warnings: [],
    });
    expect(computerPlan(planTemplate({}), computers(1)).computers).toEqual([{ label: mac(0) }]);
  });

  it('never gives two computers one name or address, and changes nothing when one more comes', () => {
    const texts = fc.constantFrom(
      'LAB-{n}',
      'PC{n:04}',
      '{mac}-{n}',
      'X-{mac}',
      'A{serial}',
      'SAME',
      '{serial}',
    );
    const serials = fc.array(fc.constantFrom('A', 'a', 'B', '', '!!', 'C-1', 'LONGLONGLONGLONG'), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        texts,
        serials,
        fc.nat(999_999),
        fc.integer({ min: 1, max: 20 }),
        (text, list, first, size) => {
          const last = ipv4Text(ipv4Number('10.0.3.250') + size - 1);
          const parsed = templateSchema.safeParse({
            ...{ version: 1, name: 'lab', image: 'office' },
            ...{ ...pattern(text, first), ...range('10.0.3.250', last) },
          });
          if (!parsed.success) return;
          const all = list.map((serial, i) => ({ label: mac(i), macs: [mac(i * 3)], serial }));
          const plan = computerPlan(parsed.data, all);
          const before = computerPlan(parsed.data, all.slice(0, -1));
          expect(plan.computers.slice(0, -1)).toEqual(before.computers);
          if (all.length > size)
            expect(plan.problems).toContainEqual(expect.stringContaining('widen the range'));
          if (plan.problems.length > 0) return;
          const names = plan.computers.map((one) => one.name!.toLowerCase());
          const addresses = plan.computers.map((one) => one.address!.address);
          expect(new Set(names).size).toBe(all.length);
          expect(new Set(addresses).size).toBe(all.length);
          for (const { name } of plan.computers)
            expect(computerNameSchema.safeParse(name).success).toBe(true);
          for (const address of addresses) {
            expect(ipv4Number(address)).toBeGreaterThanOrEqual(ipv4Number('10.0.3.250'));
            expect(ipv4Number(address)).toBeLessThanOrEqual(ipv4Number(last));
          }
        },
      ),
    );
  });

  it('is refused with the counts when the range is too small, also for computers still to come', () => {
    const template = planTemplate(range('10.0.0.10', '10.0.0.12'));
    expect(computerPlan(template, computers(3)).problems).toEqual([]);
    const told = ['10.0.0.10 to 10.0.0.12 are 3 addresses for 4 computers; widen the range'];
    expect(computerPlan(template, computers(4)).problems).toEqual(told);
    expect(computerPlan(template, computers(1), { count: 4 }).problems).toEqual(told);
  });

  it('is refused when the last name would be longer than 15 characters', () => {
    const template = planTemplate(pattern('CLASSROOM-12-{n}', 98));
    expect(computerPlan(template, computers(2)).problems).toEqual([]);
    const [problem, ...others] = computerPlan(template, [], { count: 3 }).problems;
    expect(problem).toBe(
      'the pattern "CLASSROOM-12-{n}" gives "CLASSROOM-12-100" for computer 3: a name has up to 15 characters; shorten it',
    );
    expect(others).toEqual([]);
  });

  it('is refused when computers would be called alike', () => {
    expect(computerPlan(planTemplate(pattern('TEACHER')), computers(1)).problems).toEqual([]);
    expect(computerPlan(planTemplate(pattern('TEACHER')), [], { count: 2 }).problems).toEqual([
      'the pattern "TEACHER" gives 2 computers one name; put {n} into it',
    ]);
    const twins = computers(2).map((one) => ({ ...one, serial: 'To be filled' }));
    expect(computerPlan(planTemplate(pattern('A{serial}')), twins).problems).toEqual([
      '52:54:00:00:00:01: "ATobefilled" is the name of 52:54:00:00:00:00 already',
    ]);
    const nameless = computers(1).map((one) => ({ ...one, serial: '' }));
    expect(computerPlan(planTemplate(pattern('{serial}')), nameless).problems).toEqual([
      '52:54:00:00:00:00: "" is no computer name of 1 to 15 letters, digits and dashes',
    ]);
  });

  it('follows the table by any MAC address of a computer, and names those that are not in it', () => {
    const template = planTemplate({
      computerNames: { kind: 'table' },
      network: { kind: 'table', prefixLength: 24, gateway: '10.0.0.1' },
      table: [
        { mac: mac(9), name: 'SEAT-9', address: '10.0.0.9' },
        { mac: mac(1), name: 'SEAT-1', address: '10.0.9.1', prefixLength: 16, gateway: '10.0.0.2' },
        { mac: mac(3), name: 'SEAT-3' },
      ],
    });
    const [zero, one, two, three] = computers(4) as [PlannedComputer, ...PlannedComputer[]];
    const plan = computerPlan(template, [{ ...zero, macs: [mac(0), mac(9)] }, one!, two!, three!]);
    expect(plan).toEqual({
      computers: [
        {
          label: mac(0),
          name: 'SEAT-9',
          address: { address: '10.0.0.9', prefixLength: 24, gateway: '10.0.0.1' },
        },
        {
          label: mac(1),
          name: 'SEAT-1',
          address: { address: '10.0.9.1', prefixLength: 16, gateway: '10.0.0.2' },
        },
        { label: mac(2) },
        { label: mac(3), name: 'SEAT-3' },
      ],
      problems: [],
      warnings: [
        `${mac(2)}: the table has no name and no address for it`,
        `${mac(3)}: the table has no address for it`,
      ],
    });
  });
});
