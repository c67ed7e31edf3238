import { describe, expect, it } from 'vitest';
import { qemuArguments, uefiVariablesTemplate, uuidOf, type VmSpec } from './qemu-arguments.ts';

const FILES = { serialSocket: '/t/s', serialLog: '/t/s.log', qmpSocket: '/t/q', uefiVariables: '/t/vars' };
const SPEC: VmSpec = {
  name: 'target-1',
  firmware: 'bios',
  disks: [{ path: '/d/a.qcow2', format: 'qcow2' }],
  nics: [{ tap: 'tap1', mac: '52:54:00:00:00:01' }],
  boot: ['network', 'disk'],
};

function deviceOf(args: readonly string[], driver: string): string | undefined {
  return args.find((arg) => arg.startsWith(`${driver},`));
}

describe('QEMU arguments', () => {
  it('boot from the network first and from the disk next', () => {
    const args = qemuArguments(SPEC, FILES);
    expect(deviceOf(args, 'virtio-net-pci')).toBe(
      'virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01,bootindex=0',
    );
    expect(deviceOf(args, 'virtio-blk-pci')).toBe('virtio-blk-pci,drive=disk0,serial=disk0,bootindex=10');
  });

  it('give a card that is not booted from no option ROM', () => {
    const args = qemuArguments({ ...SPEC, boot: ['disk'] }, FILES);
    expect(deviceOf(args, 'virtio-net-pci')).toMatch(/romfile=$/);
  });

  it('never load an iPXE ROM on UEFI, where it breaks shim', () => {
    const args = qemuArguments({ ...SPEC, firmware: 'uefi' }, FILES);
    expect(deviceOf(args, 'virtio-net-pci')).toMatch(/romfile=,bootindex=0$/);
  });

  it('protect the variables of a Secure Boot machine by SMM', () => {
    const args = qemuArguments({ ...SPEC, firmware: 'uefi-secureboot' }, FILES);
    expect(args).toContain('q35,smm=on');
    expect(args).toContain('driver=cfi.pflash01,property=secure,value=on');
    expect(args.join(' ')).toContain('OVMF_CODE_4M.secboot.fd');
    expect(uefiVariablesTemplate('uefi-secureboot')).toMatch(/OVMF_VARS_4M\.ms\.fd$/);
    expect(uefiVariablesTemplate('uefi')).toMatch(/OVMF_VARS_4M\.fd$/);
  });

  it('put disks on the bus asked for', () => {
    const disks: VmSpec['disks'] = [
      { path: '/d/a', format: 'raw', bus: 'ahci', serial: 'S1' },
      { path: '/d/b', format: 'raw', bus: 'nvme' },
      { path: '/d/c', format: 'raw', bus: 'usb-stick' },
    ];
    const args = qemuArguments({ ...SPEC, disks }, FILES);
    expect(deviceOf(args, 'ide-hd')).toBe('ide-hd,bus=ide.0,drive=disk0,serial=S1,bootindex=10');
    expect(deviceOf(args, 'nvme')).toBe('nvme,drive=disk1,serial=disk1,bootindex=11');
    expect(deviceOf(args, 'usb-storage')).toBe(
      'usb-storage,removable=on,drive=disk2,serial=disk2,bootindex=12',
    );
    expect(args).toContain('qemu-xhci');
    expect(qemuArguments(SPEC, FILES)).not.toContain('qemu-xhci');
  });

  it('offer an image as CD or as USB stick', () => {
    const medium = (kind: 'cd' | 'usb') =>
      qemuArguments({ ...SPEC, medium: { path: '/i.iso', kind }, boot: ['medium'] }, FILES);
    expect(deviceOf(medium('cd'), 'ide-cd')).toBe('ide-cd,drive=medium,bus=ide.5,bootindex=0');
    expect(deviceOf(medium('usb'), 'usb-storage')).toBe('usb-storage,drive=medium,bootindex=0');
  });

  it('end the machine at a restart unless told otherwise', () => {
    expect(qemuArguments(SPEC, FILES)).toContain('-no-reboot');
    expect(qemuArguments({ ...SPEC, endAtRestart: false }, FILES)).not.toContain('-no-reboot');
  });

  it('give every name its own UUID of version 4', () => {
    expect(uuidOf('a')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(uuidOf('a')).not.toBe(uuidOf('b'));
  });
});
