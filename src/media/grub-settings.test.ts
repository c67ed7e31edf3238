import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { BOOT_MODES, type BootMode } from '../schema/boot-params.ts';
import { type GrubSettings, grubQuoted, grubSettings } from './grub-settings.ts';

const plain: GrubSettings = { defaultMode: 'agent', timeoutSeconds: 10, hasSite: false };

describe('grubSettings', () => {
  it('writes one setting a line, the last one saying that all were read', () => {
    const text = grubSettings({
      defaultMode: 'agent',
      timeoutSeconds: 5,
      hasSite: true,
      extraParams: ['td.disk=size>=10G,size<=2T', 'td.after=wait', 'td.debug'],
    });
    expect(text).toBe(
      [
        '# Written by TotalDeploy when this medium was made.',
        "set td_default='agent'",
        "set td_timeout='5'",
        "set td_params='td.disk=size>=10G,size<=2T td.after=wait td.debug'",
        "set td_site='yes'",
        'set td_settings=1',
        '',
      ].join('\n'),
    );
  });

  it('waits for a key when there is no time limit', () => {
    expect(grubSettings({ ...plain, timeoutSeconds: null })).toContain("set td_timeout='-1'\n");
    expect(grubSettings(plain)).toContain("set td_site=''\n");
  });

  it('refuses time limits and entries that the menu does not have', () => {
    for (const timeoutSeconds of [-1, 1.5, 3601, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => grubSettings({ ...plain, timeoutSeconds }), String(timeoutSeconds)).toThrow(/time limit/);
    }
    expect(() => grubSettings({ ...plain, defaultMode: 'local' as BootMode })).toThrow(/use menu, agent/);
  });

  it.each([
    ["td.disk=sda'; halt; '"],
    ['td.disk=sda\nset td_site='],
    ['td.disk=$root'],
    ['td.disk=`x`'],
    ['td.disk=sd[ab]'],
    ['td.disk=*'],
    ['td.disk="a b"'],
    ['td.disk=a b'],
    ['td.disk=a\\b'],
    ['td.disk=a;b'],
    ['td.disk=a&b'],
    ['td.disk=a|b'],
    ['td.disk={a}'],
    ['init=/bin/sh'],
    ['quiet'],
    ['td.disk=sda init=/bin/sh'],
    ['td.disk=ü'],
    [''],
  ])('refuses %j', (parameter) => {
    expect(() => grubSettings({ ...plain, extraParams: [parameter] })).toThrow(
      /^Cannot add a boot parameter: /,
    );
  });

  it('refuses what the boot parameter parser refuses, and what the menu sets itself', () => {
    const problem = (...extraParams: string[]) => messageOf(() => grubSettings({ ...plain, extraParams }));
    expect(problem('td.vlan=5000')).toMatch(/td\.vlan cannot be "5000"/);
    expect(problem('td.dsk=sda')).toMatch(/did you mean td\.disk/);
    expect(problem('td.vlan=5', 'td.vlan=6')).toMatch(/given twice/);
    expect(problem('td.mode=agent')).toMatch(/set by the boot menu itself/);
    expect(problem('td.boot=tftp://1.2.3.4/boot/')).toMatch(/set by the boot menu itself/);
    expect(problem(...Array.from({ length: 33 }, () => 'td.debug'))).toMatch(/at most 32/);
    expect(problem(`td.disk=${'a'.repeat(1100)}`)).toMatch(/1024 characters/);
  });

  it('refuses secrets without repeating them', () => {
    for (const parameter of [
      'td.password=hunter2',
      'td.sitekey=hunter2',
      'td.to=smb://me:hunter2@host/share',
    ]) {
      const message = messageOf(() => grubSettings({ ...plain, extraParams: [parameter] }));
      expect(message).toMatch(/looks like a password or key/);
      expect(message).not.toContain('hunter2');
    }
  });

  it('never lets a parameter out of its quotes', () => {
    const hostile = fc.string({
      unit: fc.constantFrom(...'td.=\'"\\$ ;\n{}[]*?&|`#<>aA0/:'.split('')),
      maxLength: 30,
    });
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            hostile,
            hostile.map((text) => `td.disk=${text}`),
          ),
          { maxLength: 3 },
        ),
        fc.constantFrom(...BOOT_MODES),
        (extraParams, defaultMode) => {
          let text: string;
          try {
            text = grubSettings({ ...plain, defaultMode, extraParams });
          } catch (error) {
            expect(error).toBeInstanceOf(TdError);
            expect((error as TdError).message).not.toContain('\n');
            return;
          }
          const lines = text.trimEnd().split('\n');
          expect(lines).toHaveLength(6);
          expect(lines[3]).toMatch(/^set td_params='[^'$\\"`*?[\]{};&|]*'$/);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('grubQuoted', () => {
  it('refuses what cannot stand between single quotes', () => {
    expect(grubQuoted('a "b" $c \\ {d}')).toBe(`'a "b" $c \\ {d}'`);
    expect(() => grubQuoted("it's")).toThrow(TdError);
    expect(() => grubQuoted('a\nb')).toThrow(TdError);
  });
});

function messageOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}
