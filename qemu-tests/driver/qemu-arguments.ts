import { createHash } from 'node:crypto';

export type Firmware = 'bios' | 'uefi' | 'uefi-secureboot';
export type BootSource = 'network' | 'disk' | 'medium';

export interface VmDisk {
  path: string;
  format: 'qcow2' | 'raw';
  /** Default `virtio`; `usb-stick` is removable, `usb` a hard disk in a case. */
  bus?: 'virtio' | 'ahci' | 'nvme' | 'usb' | 'usb-stick';
  serial?: string;
}

export interface VmNic {
  /** Tap device in the namespace QEMU runs in. */
  tap: string;
  /** Lower case, colons. */
  mac: string;
  /** Default `virtio`; UEFI boots from no other here. */
  model?: 'virtio' | 'e1000';
}

/** A CD or a USB stick with a bootable image, read-only. */
export interface VmMedium {
  path: string;
  kind: 'cd' | 'usb';
}

export interface VmSpec {
  /** Names files, the machine and its UUID; lower-case letters, digits and dashes. */
  name: string;
  firmware: Firmware;
  /** Default 1024. */
  memoryMiB?: number;
  /** Default 1. */
  cpuCount?: number;
  /** Default {@link CPU_DEFAULT}. */
  cpu?: string;
  disks: readonly VmDisk[];
  nics: readonly VmNic[];
  medium?: VmMedium;
  /** In the order tried; what is missing is never booted from. */
  boot: readonly BootSource[];
  /** A guest's restart ends the machine when true (the default), so that its disk can be looked at. */
  endAtRestart?: boolean;
}

export interface VmFiles {
  serialSocket: string;
  serialLog: string;
  qmpSocket: string;
  /** This machine's own copy of the UEFI variables. */
  uefiVariables: string;
}

/**
 * An oldest CPU people still have. In software it beats `max`, and AES-GCM runs at 24 instead of the 11 MB a CPU
 * second of `qemu64` (SHA-256 at 29 instead of 36, measured with `openssl speed` in the Debian master).
 */
const CPU_DEFAULT = 'Westmere';

const OVMF_DIR = '/usr/share/OVMF';

/** The variable store a machine starts with: empty, or with Microsoft's keys enrolled. */
export function uefiVariablesTemplate(firmware: Firmware): string {
  return `${OVMF_DIR}/OVMF_VARS_4M${firmware === 'uefi-secureboot' ? '.ms' : ''}.fd`;
}

/** QEMU's arguments for a machine in software emulation, stopped until told to go on. */
export function qemuArguments(spec: VmSpec, files: VmFiles): string[] {
  return [
    ...['-name', spec.name, '-nodefaults', '-no-user-config', '-display', 'none', '-S'],
    ...(spec.endAtRestart === false ? [] : ['-no-reboot']),
    ...machineArguments(spec, files),
    ...['-accel', 'tcg,thread=multi', '-cpu', spec.cpu ?? CPU_DEFAULT, '-smp', String(spec.cpuCount ?? 1)],
    ...['-m', String(spec.memoryMiB ?? 1024), '-uuid', uuidOf(spec.name), '-vga', 'std'],
    ...['-rtc', 'base=utc', '-object', 'rng-random,id=rng0,filename=/dev/urandom'],
    ...['-device', 'virtio-rng-pci,rng=rng0,romfile='],
    ...['-chardev', `socket,id=s0,path=${files.serialSocket},server=on,wait=off,logfile=${files.serialLog}`],
    ...['-serial', 'chardev:s0', '-qmp', `unix:${files.qmpSocket},server=on,wait=off`],
    ...(hasUsb(spec) ? ['-device', 'qemu-xhci'] : []),
    ...spec.disks.flatMap((disk, i) => diskArguments(disk, i, bootIndex(spec, 'disk', i))),
    ...spec.nics.flatMap((nic, i) =>
      nicArguments(nic, i, { firmware: spec.firmware, index: bootIndex(spec, 'network', i) }),
    ),
    ...(spec.medium === undefined ? [] : mediumArguments(spec.medium, bootIndex(spec, 'medium', 0))),
  ];
}

/** A machine without UUID would be the same computer as all others without one. */
export function uuidOf(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function machineArguments(spec: VmSpec, files: VmFiles): string[] {
  if (spec.firmware === 'bios') return ['-machine', 'q35'];
  const secure = spec.firmware === 'uefi-secureboot';
  const code = `${OVMF_DIR}/OVMF_CODE_4M${secure ? '.secboot' : ''}.fd`;
  return [
    ...['-machine', secure ? 'q35,smm=on' : 'q35'],
    ...(secure ? ['-global', 'driver=cfi.pflash01,property=secure,value=on'] : []),
    ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${code}`],
    ...['-drive', `if=pflash,format=raw,unit=1,file=${files.uefiVariables}`],
    // OVMF otherwise tries PXE over IPv6 for a minute before it goes on.
    ...['-fw_cfg', 'name=opt/org.tianocore/IPv6Support,string=n'],
  ];
}

/** Devices of one source follow each other; QEMU wants every index once. */
function bootIndex(spec: VmSpec, source: BootSource, position: number): number | undefined {
  const order = spec.boot.indexOf(source);
  return order < 0 ? undefined : order * 10 + position;
}

function hasUsb({ disks, medium }: VmSpec): boolean {
  return medium?.kind === 'usb' || disks.some(({ bus }) => bus === 'usb' || bus === 'usb-stick');
}

function diskArguments(disk: VmDisk, position: number, index: number | undefined): string[] {
  const id = `disk${position}`;
  const drivers = {
    virtio: 'virtio-blk-pci',
    ahci: `ide-hd,bus=ide.${position}`,
    nvme: 'nvme',
    usb: 'usb-storage',
    'usb-stick': 'usb-storage,removable=on',
  };
  const serial = `,serial=${disk.serial ?? id}`;
  return [
    ...['-drive', `if=none,id=${id},file=${disk.path},format=${disk.format},cache=unsafe,discard=unmap`],
    ...['-device', `${drivers[disk.bus ?? 'virtio']},drive=${id}${serial}${indexSuffix(index)}`],
  ];
}

function nicArguments(
  nic: VmNic,
  position: number,
  options: { firmware: Firmware; index: number | undefined },
): string[] {
  const id = `net${position}`;
  const driver = nic.model === 'e1000' ? 'e1000' : 'virtio-net-pci';
  // An iPXE option ROM in UEFI breaks shim; BIOS machines boot from the network by it alone.
  const rom = options.firmware === 'bios' && options.index !== undefined ? '' : ',romfile=';
  return [
    ...['-netdev', `tap,id=${id},ifname=${nic.tap},script=no,downscript=no`],
    ...['-device', `${driver},netdev=${id},mac=${nic.mac}${rom}${indexSuffix(options.index)}`],
  ];
}

function mediumArguments(medium: VmMedium, index: number | undefined): string[] {
  const drive = ['-drive', `if=none,id=medium,file=${medium.path},format=raw,readonly=on`];
  if (medium.kind === 'cd') {
    return [...drive, '-device', `ide-cd,drive=medium,bus=ide.5${indexSuffix(index)}`];
  }
  return [...drive, '-device', `usb-storage,drive=medium${indexSuffix(index)}`];
}

function indexSuffix(index: number | undefined): string {
  return index === undefined ? '' : `,bootindex=${index}`;
}
