import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MachineDisk } from '../schema/machine.ts';
import { chooseDisk } from './disk-rule.ts';
import { preflight } from './preflight.ts';

function disk(name: string, change: Partial<MachineDisk> = {}): MachineDisk {
  return {
    name,
    sizeBytes: 500_107_862_016,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    model: 'WDC WD5000AAKX',
    serial: `S-${name}`,
    wwn: `naa.5000c500${name}`,
    bus: 'ata',
    rotational: true,
    removable: false,
    readOnly: false,
    bootMedium: false,
    ...change,
  };
}

const sda = disk('sda');
const sdb = disk('sdb', { sizeBytes: 2_000_398_934_016, model: 'ST2000DM008' });
const nvme = disk('nvme0n1', {
  bus: 'nvme',
  rotational: false,
  model: 'Samsung SSD 980',
  sizeBytes: 1_000_204_886_016,
});
const stick = disk('sdc', { bus: 'usb', removable: true, sizeBytes: 16e9, model: 'Ultra Fit' });
const boot = disk('sdd', { bus: 'usb', removable: true, bootMedium: true });
const locked = disk('sde', { readOnly: true });
const all = [nvme, sda, sdb, stick, boot, locked];

function nameOf(rule: string, disks = all): string {
  const choice = chooseDisk(disks, rule);
  return choice.ok ? choice.disk.name : choice.reason;
}

describe('chooseDisk', () => {
  it.each([
    ['first', 'nvme0n1'],
    ['smallest', 'sda'],
    ['largest', 'sdb'],
    ['sda', 'sda'],
    ['/dev/sdb', 'sdb'],
    ['sdc', 'sdc'],
    ['serial=s-sdb', 'sdb'],
    ['wwn=5000C500sda', 'sda'],
    ['model=samsung', 'nvme0n1'],
    ['bus=nvme', 'nvme0n1'],
    ['rotational=no', 'nvme0n1'],
    ['bus=ata, largest', 'sdb'],
    ['size>=600G,size<=1.5T', 'nvme0n1'],
    ['size<=500G', 'sda'],
    ['size<500G,first', 'none'],
    ['size>1T', 'sdb'],
    ['size=2T', 'sdb'],
    ['size>=1862Gi', 'sdb'],
    ['bus=ata,size<=2T,largest', 'sdb'],
    ['size>=100G,first', 'nvme0n1'],
  ])('%s picks %s', (rule, expected) => {
    if (expected === 'none') expect(nameOf(rule)).toMatch(/^No disk/);
    else expect(nameOf(rule)).toBe(expected);
  });

  it('takes the only disk by itself, and lists them when there are several', () => {
    expect(nameOf('auto', [sda, stick, boot])).toBe('sda');
    expect(nameOf('only', [sda, stick, boot])).toBe('sda');
    const reason = nameOf('auto');
    expect(reason).toContain(
      'Several disks match "auto": nvme0n1 (Samsung SSD 980, 1.0 TB, serial S-nvme0n1), sda (',
    );
    expect(reason).toContain('name one, or use first, smallest or largest');
    expect(reason).not.toContain('sdc');
  });

  it.each([
    ['sdd', 'started from it'],
    ['sde', 'read-only'],
    ['model=Ultra', 'it is removable; name it to use it'],
    ['bus=usb', 'removable, read-only or in use'],
    ['sdz', 'No disk matches "sdz"; this computer has nvme0n1'],
    ['serial=nothing', 'No disk matches'],
  ])('refuses %s, saying that: %s', (rule, message) => {
    expect(nameOf(rule)).toContain(message);
  });

  it.each([
    '',
    ',',
    'size>=',
    'size>=12Q',
    'colour=red',
    'rotational=maybe',
    '../etc/passwd',
    'a b',
    'first,,last',
  ])('says what is allowed instead of "%s"', (rule) => {
    expect(nameOf(rule)).toMatch(/not understood at ".*"; allowed: auto, first/);
  });

  it('lets smallest and first pass over disks that are too small', () => {
    const choose = (rule: string, sizeBytesMin: number) => {
      const choice = chooseDisk(all, rule, { sizeBytesMin });
      return choice.ok ? choice.disk.name : choice.reason;
    };
    expect(choose('smallest', 600e9)).toBe('nvme0n1');
    expect(choose('first', 1.5e12)).toBe('sdb');
    expect(choose('smallest', 9e12)).toBe('sda');
  });

  it('never gives the boot medium, a read-only disk or an unnamed removable one, whatever the rule', () => {
    const term = fc.constantFrom(
      'first',
      'smallest',
      'largest',
      'only',
      'bus=usb',
      'bus=ata',
      'size>=1G',
      'model=w',
      'rotational=yes',
      'sdd',
      'sde',
    );
    const some = fc.subarray(all);
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 4 }), some, (terms, disks) => {
        const choice = chooseDisk(disks, terms.join(','));
        if (choice.ok) {
          expect(['sdc', 'sdd', 'sde']).not.toContain(choice.disk.name);
          expect(disks).toContain(choice.disk);
        } else expect(choice.reason).not.toContain('\n');
      }),
    );
  });

  it('answers any text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (rule) => {
        expect(typeof chooseDisk(all, rule).ok).toBe('boolean');
      }),
    );
  });
});

describe('preflight', () => {
  const request = {
    diskRule: 'first',
    sizeBytesMin: 100e9,
    logicalSectorBytes: 512,
    table: 'gpt' as const,
    firmware: 'uefi' as const,
    machineFirmware: 'uefi' as const,
  };

  it('says yes and names the disk', () => {
    expect(preflight([sda], request)).toEqual({ ok: true, reason: '', disk: sda, warnings: [] });
  });

  it.each<[string, MachineDisk[], Partial<typeof request>, string]>([
    ['no disk at all', [], {}, 'has no disk the system knows'],
    [
      'a disk that is too small',
      [sda],
      { sizeBytesMin: 600e9 },
      'sda (WDC WD5000AAKX, 500 GB, serial S-sda) is too small: the image needs 600 GB',
    ],
    ['a disk one byte too small', [sda], { sizeBytesMin: sda.sizeBytes + 1 }, 'is too small'],
    [
      'sectors of another size',
      [disk('sda', { logicalSectorBytes: 4096 })],
      {},
      'has sectors of 4096 bytes, the image 512',
    ],
    ['nothing but the boot medium', [boot], {}, 'No target disk to use'],
    ['a rule that matches nothing', [sda], { diskRule: 'bus=nvme' }, 'No disk matches "bus=nvme"'],
  ])('says no for %s', (_title, disks, change, message) => {
    const answer = preflight(disks, { ...request, ...change });
    expect(answer.ok).toBe(false);
    expect(answer.reason).toContain(message);
    expect(answer.reason).not.toContain('\n');
  });

  it('takes a disk that is exactly big enough', () => {
    expect(preflight([sda], { ...request, sizeBytesMin: sda.sizeBytes }).ok).toBe(true);
  });

  it('warns of another firmware, but not of an unknown one', () => {
    const bios = preflight([sda], { ...request, machineFirmware: 'bios' as 'uefi' });
    expect(bios.ok).toBe(true);
    expect(bios.warnings[0]).toContain('taken from a UEFI computer and this one was started by BIOS');
    expect(preflight([sda], { ...request, machineFirmware: 'unknown' as 'uefi' }).warnings).toEqual([]);
  });
});
