import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Machine, type MachineDisk, machineSchema } from '../schema/machine.ts';
import { readInterfaces } from './interfaces.ts';

const TEXT_CHARS_MAX = 256;
/** UUIDs that board makers leave in instead of one of their own. */
const PLACEHOLDER_UUIDS = new Set([
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '03000200-0400-0500-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
]);
/** UEFI specification 2.10, section 3.3: the global variable of that name. */
const SECURE_BOOT_VARIABLE = 'SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';
/** Four bytes of attributes come before the value. */
const EFI_VARIABLE_HEADER_BYTES = 4;

export interface InventoryOptions {
  disks: readonly MachineDisk[];
  sysDir?: string;
  procDir?: string;
}

/** Describes this computer from DMI, /proc and its network cards; what cannot be read stays empty. */
export async function readMachine(options: InventoryOptions): Promise<Machine> {
  const { disks, sysDir = '/sys', procDir = '/proc' } = options;
  const dmi = async (name: string) => cleanText(await readText(join(sysDir, 'class/dmi/id', name)));
  const [uuid, vendor, model, serial] = await Promise.all(
    ['product_uuid', 'sys_vendor', 'product_name', 'product_serial'].map(dmi),
  );
  const isUefi = existsSync(join(sysDir, 'firmware/efi'));
  const cpu = parseCpu(await readText(join(procDir, 'cpuinfo')));
  const interfaces = await readInterfaces(sysDir);
  return machineSchema.parse({
    uuid: usableUuid(uuid ?? ''),
    vendor,
    model,
    serial,
    firmware: isUefi ? 'uefi' : 'bios',
    secureBoot: isUefi && (await secureBoot(sysDir)),
    memoryBytes: parseMemory(await readText(join(procDir, 'meminfo'))),
    cpu: cpu.model,
    cpuCount: cpu.count,
    disks: [...disks],
    nics: interfaces
      .filter((item) => item.kind === 'card')
      .slice(0, 64)
      .map(({ name, mac, link, speedMbit, mtuBytes, addresses }) => ({
        name,
        mac,
        link,
        speedMbit,
        mtuBytes,
        addresses: addresses.slice(0, 32),
      })),
  });
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/** Printable, trimmed, and within the schema's length. */
export function cleanText(text: string): string {
  return text
    .replace(/[\x00-\x1f\x7f]+/g, ' ')
    .trim()
    .slice(0, TEXT_CHARS_MAX);
}

/** Lower case, or empty when the firmware has no UUID of its own. */
export function usableUuid(text: string): string {
  const uuid = text.toLowerCase();
  const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid);
  return isUuid && !PLACEHOLDER_UUIDS.has(uuid) ? uuid : '';
}

/** Total memory in bytes from /proc/meminfo; 0 when it is not there. */
export function parseMemory(meminfo: string): number {
  const match = /^MemTotal:\s+([0-9]{1,12}) kB$/m.exec(meminfo);
  return match === null ? 0 : Number(match[1]) * 1024;
}

export function parseCpu(cpuinfo: string): { model: string; count: number } {
  const model = /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  const count = cpuinfo.match(/^processor\s*:/gm)?.length ?? 0;
  return { model: cleanText(model), count: Math.max(1, count) };
}

async function secureBoot(sysDir: string): Promise<boolean> {
  const path = join(sysDir, 'firmware/efi/efivars', SECURE_BOOT_VARIABLE);
  const value = await readFile(path).catch(() => Buffer.alloc(0));
  return value[EFI_VARIABLE_HEADER_BYTES] === 1;
}
