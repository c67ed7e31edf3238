import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { templateSchema } from '../../../schema/template.ts';
import { diskRuleDraft, diskRuleText } from './disk-rule-draft.ts';
import { draftOf, newDraft, templateOf, type WizardDraft } from './wizard-draft.ts';
import { WIZARD_STEPS, WizardModel } from './wizard-model.ts';

/** Anything a person may have left in the fields, right or wrong. */
const text = fc.oneof(
  fc.constantFrom('', 'LAB', '1', '10.0.0.1', '255.255.255.0', 'LAB-{n:03}', 'x,y'),
  fc.string(),
);
const pages: Partial<Record<keyof WizardDraft, fc.Arbitrary<unknown>>> = {
  targets: fc.record({
    mode: fc.constantFrom('chosen', 'connected'),
    chosen: fc.array(fc.tuple(fc.uuid(), text)).map((pairs) => new Map(pairs)),
    waitFor: text,
    waitMinutes: text,
    wake: fc.boolean(),
    joinLate: fc.boolean(),
    allOrNothing: fc.boolean(),
    rateMbit: text,
  }),
  image: text,
  disk: fc.integer({ min: 0, max: 3 }),
  partitions: fc.oneof(fc.constant('all'), fc.array(fc.integer({ min: 1, max: 9 }))),
  targetPartition: fc.option(text, { nil: undefined }),
  diskRule: fc.record({
    selector: fc.constantFrom('first', 'only', 'smallest', 'largest'),
    model: text,
    serial: text,
    name: text,
    sizeMin: fc.oneof(text, fc.constant('100G')),
    sizeMax: fc.oneof(text, fc.constant('2 TB')),
    other: fc.oneof(text, fc.constantFrom('bus=nvme', 'rotational=no,wwn=0x5000')),
  }),
  names: fc.record({ kind: fc.constantFrom('keep', 'pattern', 'table'), pattern: text, first: text }),
  membership: fc.record({
    kind: fc.constantFrom('keep', 'workgroup', 'domain'),
    ...{ workgroup: text, domain: text, user: text, password: text, ou: text },
  }),
  network: fc.record({
    kind: fc.constantFrom('keep', 'dhcp', 'static', 'table'),
    ...{ first: text, last: text, mask: text, gateway: text, dnsServers: text, dnsSuffix: text },
  }),
  save: fc.record({ wanted: fc.boolean(), name: text, comment: text, offeredOnTargets: fc.boolean() }),
};

/** A right draft in which one or two pages hold anything. */
const anyDraft = fc
  .subarray(Object.keys(pages) as (keyof typeof pages)[], { maxLength: 2 })
  .chain((keys) => fc.tuple(...keys.map((key) => pages[key]!.map((value) => [key, value] as const))))
  .map((inputs): WizardDraft => Object.assign(validDraft(), Object.fromEntries(inputs)));

function validDraft(): WizardDraft {
  const draft = newDraft();
  draft.targets.chosen.set('uuid-1/52:54:00:00:00:01', '52:54:00:00:00:01');
  draft.image = 'office';
  return draft;
}

function validModel(): WizardModel {
  return new WizardModel(validDraft());
}

describe('the wizard', () => {
  test('starts at the first page and stays there until a computer is chosen', () => {
    const model = new WizardModel(newDraft());
    expect(model.step).toBe('targets');
    expect(model.next()).toBe(false);
    expect(model.problemsOf('targets')).toEqual([
      { path: 'targets', message: 'choose at least one target computer' },
    ]);
    model.draft.targets.chosen.set('a', 'a');
    expect(model.next()).toBe(true);
    expect(model.step).toBe('image');
  });

  test('goes through every page in order with the defaults, and back', () => {
    const model = validModel();
    const seen = [model.step];
    while (model.next()) seen.push(model.step);
    expect(seen).toEqual([...WIZARD_STEPS]);
    while (model.back()) seen.pop();
    expect(seen).toEqual(['targets']);
  });

  test('keeps every input whatever the order of back and next', () => {
    fc.assert(
      fc.property(anyDraft, fc.array(fc.constantFrom('next', 'back')), (draft, moves) => {
        const before = structuredClone(draft);
        const model = new WizardModel(draft);
        for (const move of moves) move === 'next' ? model.next() : model.back();
        expect(model.draft).toEqual(before);
      }),
    );
  });

  test('makes a template that the schema takes when no page has a problem, and names a problem when it does not', () => {
    let taken = 0;
    fc.assert(
      fc.property(anyDraft, (draft) => {
        const problems = new WizardModel(draft).problems();
        const ok = templateSchema.safeParse(templateOf(draft)).success;
        if (problems.length === 0) {
          taken += 1;
          expect(ok).toBe(true);
        }
        if (!ok) expect(problems).not.toEqual([]);
      }),
      { numRuns: 500, seed: 7 },
    );
    expect(taken).toBeGreaterThan(0);
  });

  test('is filled in by a template and gives the same template again', () => {
    const template = templateSchema.parse({
      version: 1,
      name: 'Lab',
      comment: 'room 3',
      image: 'office',
      imagePassword: { sealed: 'AAAA', console: 'a'.repeat(64) },
      disk: 1,
      partitions: [1, 2],
      targetDisk: 'model=wdc,size>=100G,bus=nvme,first',
      freeSpace: 'grow-last',
      users: [{ name: 'admin', password: 'x', group: 'administrators' }],
      computerNames: { kind: 'pattern', pattern: 'LAB-{n:03}', first: 7 },
      membership: { kind: 'domain', name: 'lab.example.org', user: 'join', password: 'y', ou: 'OU=Lab' },
      network: {
        kind: 'static',
        first: '10.0.0.10',
        last: '10.0.0.99',
        prefixLength: 22,
        gateway: '10.0.0.1',
        dnsServers: ['10.0.0.2', '10.0.0.3'],
        dnsSuffix: 'lab.example.org',
      },
      table: [{ mac: '52:54:00:12:34:56', name: 'A1' }],
      sid: 'keep',
      files: [{ source: '/srv/setup.exe', execute: true, arguments: '/q' }],
      applications: [{ path: 'C:\\a.exe' }],
      drivers: [{ source: '/srv/drivers' }],
      after: 'restart',
      offeredOnTargets: true,
      run: { waitFor: 3, waitSeconds: 100, wake: true, joinLate: true, rateMbit: 300, lostWaitSeconds: 10 },
    });
    const again = templateSchema.parse(templateOf(draftOf(template)));
    expect(again).toEqual({ ...template, targetDisk: 'model=wdc,size>=100G,bus=nvme,first' });
  });

  test.each([
    ['image', 'image', (draft: WizardDraft) => (draft.image = '')],
    ['run.waitFor', 'targets', (draft: WizardDraft) => (draft.targets.waitFor = 'x')],
    ['run.waitSeconds', 'targets', (draft: WizardDraft) => (draft.targets.waitMinutes = '-1')],
    ['partitions', 'partitions', (draft: WizardDraft) => (draft.partitions = [])],
    ['targetDisk.sizeMin', 'target-disk', (draft: WizardDraft) => (draft.diskRule.sizeMin = 'big')],
    ['targetDisk.serial', 'target-disk', (draft: WizardDraft) => (draft.diskRule.serial = 'a,b')],
    [
      'computerNames.pattern',
      'names',
      (draft: WizardDraft) => Object.assign(draft.names, { kind: 'pattern', pattern: 'LAB {n}' }),
    ],
    [
      'computerNames.pattern',
      'names',
      (draft: WizardDraft) =>
        Object.assign(draft.names, { kind: 'pattern', pattern: 'A-VERY-LONG-NAME-{n}' }),
    ],
    ['computerNames.kind', 'names', (draft: WizardDraft) => (draft.names.kind = 'table')],
    ['network.kind', 'network', (draft: WizardDraft) => (draft.network.kind = 'table')],
    [
      'membership.user',
      'names',
      (draft: WizardDraft) => Object.assign(draft.membership, { kind: 'domain', domain: 'a.b' }),
    ],
    ['network.first', 'network', (draft: WizardDraft) => (draft.network.kind = 'static')],
    [
      'network.last',
      'network',
      (draft: WizardDraft) =>
        Object.assign(draft.network, { kind: 'static', first: '10.0.0.9', last: '10.0.0.5' }),
    ],
    [
      'network.gateway',
      'network',
      (draft: WizardDraft) =>
        Object.assign(draft.network, {
          kind: 'static',
          first: '10.0.0.1',
          last: '10.0.0.5',
          gateway: '10.0.1.1',
        }),
    ],
    [
      'network.prefixLength',
      'network',
      (draft: WizardDraft) =>
        Object.assign(draft.network, {
          kind: 'static',
          first: '10.0.0.1',
          last: '10.0.0.5',
          mask: '255.0.255.0',
        }),
    ],
    ['name', 'summary', (draft: WizardDraft) => Object.assign(draft.save, { wanted: true, name: 'a/b' })],
  ])('names a problem of %s on the page "%s"', (path, step, spoil) => {
    const model = validModel();
    expect(model.problems()).toEqual([]);
    spoil(model.draft);
    expect(model.problemsOf(step as never).map((one) => one.path)).toContain(path);
  });

  test('warns when a static range is too small for the chosen computers', () => {
    const model = validModel();
    for (let i = 2; i <= 5; i += 1) model.draft.targets.chosen.set(`id-${i}`, `pc-${i}`);
    Object.assign(model.draft.network, { kind: 'static', first: '10.0.0.1', last: '10.0.0.4' });
    expect(model.problemAt('network.last')).toBe('the range has 4 addresses for 5 computers');
  });
});

test('a disk rule taken apart and put together again means the same', () => {
  for (const rule of [
    'first',
    'only',
    'sda,only',
    'serial=X 1,only',
    'size>=100G,size<=2T,bus=nvme,smallest',
  ]) {
    expect(diskRuleText(diskRuleDraft(rule))).toBe(rule);
  }
  expect(diskRuleText(diskRuleDraft('auto'))).toBe('only');
});
