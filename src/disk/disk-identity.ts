import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineDisk } from '../schema/machine.ts';

export type DiskIdentity = Pick<MachineDisk, 'model' | 'serial' | 'wwn' | 'bus'>;

/** Reads what a disk says of itself from sysfs; empty texts where its driver does not say. */
export async function readDiskIdentity(
  kernelName: string | undefined,
  options: { sysRoot?: string } = {},
): Promise<DiskIdentity> {
  if (kernelName === undefined) return { model: '', serial: '', wwn: '', bus: 'other' };
  const folder = join(options.sysRoot ?? '/sys', 'block', kernelName);
  const text = async (...files: string[]): Promise<string> => {
    for (const file of files) {
      const found = cleanText(await readFile(join(folder, file), 'utf8').catch(() => ''));
      if (found !== '') return found;
    }
    return '';
  };
  const vendor = await text('device/vendor');
  const model = await text('device/model', 'device/name');
  // Numbers there are PCI ids (virtio), and "ATA" is what libata calls every vendor.
  const showVendor = vendor !== '' && vendor !== 'ATA' && !/^0x/.test(vendor);
  const devicePath = await realpath(folder).catch(() => folder);
  return {
    model: (showVendor ? `${vendor} ${model}`.trim() : model).slice(0, 256),
    serial:
      (await text('serial', 'device/serial')) || (await serialPage(folder)) || (await usbSerial(devicePath)),
    wwn: await text('wwid', 'device/wwid'),
    bus: busOf(devicePath),
  };
}

function cleanText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, ' ')
    .replace(/ +/g, ' ')
    .trim()
    .slice(0, 256);
}

/** Vital product data page 0x80: a four-byte header, then the serial number (SPC-5, 7.7.16). */
async function serialPage(folder: string): Promise<string> {
  const page = await readFile(join(folder, 'device/vpd_pg80')).catch(() => Buffer.alloc(0));
  if (page.length < 5 || page[1] !== 0x80) return '';
  return cleanText(page.subarray(4, 4 + page.readUInt16BE(2)).toString('latin1'));
}

/** Many sticks have a serial number as USB devices only, `usb2/2-1/serial`; a hub has its own further up. */
async function usbSerial(sysfsPath: string): Promise<string> {
  const device = /^.*\/usb\d+(?:\/\d+-[\d.]+)+(?=\/)/.exec(sysfsPath)?.[0];
  if (device === undefined) return '';
  return cleanText(await readFile(join(device, 'serial'), 'utf8').catch(() => ''));
}

function busOf(sysfsPath: string): MachineDisk['bus'] {
  if (/\/usb\d/.test(sysfsPath)) return 'usb';
  if (/\/nvme\d/.test(sysfsPath)) return 'nvme';
  if (/\/mmc/.test(sysfsPath)) return 'mmc';
  if (/\/ata\d/.test(sysfsPath)) return 'ata';
  if (/\/host\d/.test(sysfsPath)) return 'scsi';
  if (/\/virtio\d/.test(sysfsPath)) return 'virtio';
  return 'other';
}
